"""Whether MLflow is well, for `pitprop doctor`."""
