"""Workloads, one module each and found by name; the packages hold what they are made of."""
