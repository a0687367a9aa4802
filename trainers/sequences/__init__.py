"""Rare events in long recordings, found frame by frame: the data, a model of windows, and how found events are scored."""
