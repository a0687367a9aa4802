"""Workloads: one file each, found by name."""
