"""DPA-2: initial features, then layers that pass messages."""
