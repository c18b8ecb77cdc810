"""Three-body embedding with type embeddings."""
