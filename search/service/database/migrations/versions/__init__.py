"""One file a version, the first first."""
