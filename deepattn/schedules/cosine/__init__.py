"""Half a cosine."""
