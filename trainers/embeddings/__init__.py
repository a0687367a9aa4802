"""What `pitprop.trainers.contrastive` is made of: encoders of several modalities, samplers, and how good embeddings are."""
