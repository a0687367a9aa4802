"""Judge a training by its curve: signatures of collapse, gates, chance levels. Pure functions, no clock, no files."""
