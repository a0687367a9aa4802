"""What a study says: summary, baselines, confirmation, statistics."""
