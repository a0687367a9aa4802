"""What contrastive learning takes: encoders of several modalities, batches, the loss, and how good embeddings are."""
