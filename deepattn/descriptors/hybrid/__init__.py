"""Several descriptors side by side."""
