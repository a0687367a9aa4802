"""What `pitprop.trainers.events` is made of: recordings, windows, a convolutional model, and how found events are scored."""
