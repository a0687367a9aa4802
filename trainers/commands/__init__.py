"""What a training by an external command is made of: its arguments, its processes, and the sources of its metrics."""
