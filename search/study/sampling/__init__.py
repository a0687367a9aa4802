"""What is proposed next: the samplers, what they know from elsewhere, and where trials are likely to fail."""
