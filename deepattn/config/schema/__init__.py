"""Schema of the model section."""
