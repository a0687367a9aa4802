"""Where trainers run: Ray actors or this process, with checkpoints."""
