"""Data sets that ship with the trainers, how a user's own are read, and how they are split."""
