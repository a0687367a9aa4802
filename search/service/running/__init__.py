"""Whose turn it is, and the drivers that run."""
