"""Properties of structures."""
