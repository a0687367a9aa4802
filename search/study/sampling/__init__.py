"""What is proposed next: the samplers, and where trials are likely to fail."""
