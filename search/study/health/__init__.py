"""Whether the study database is well, for `pitprop doctor`."""
