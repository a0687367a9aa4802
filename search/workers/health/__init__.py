"""Whether a cluster and its nodes are well, for `pitprop doctor`."""
