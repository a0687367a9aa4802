"""Commands that train: one run of a search, here or on a cluster."""
