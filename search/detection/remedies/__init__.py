"""What to change in a training that died."""
