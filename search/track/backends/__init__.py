"""How an experiment is read and written: through MLflow's client, or by statements where the store is a SQLite file."""
