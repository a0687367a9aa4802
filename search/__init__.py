"""pitprop: hyperparameter search that knows a dead training when it sees one."""
