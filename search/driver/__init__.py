"""One run of a search: ask, launch, record, judge, tell."""
