"""What is looked at before anything trains: data, model and checkpoint, as one report of the trainer shows them."""
