"""The commands of ``pitprop``."""
