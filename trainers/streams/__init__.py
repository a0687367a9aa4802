"""What `pitprop.trainers.two_stream` is made of: two streams and their fusion, augmentation, and the pretrained checkpoint."""
