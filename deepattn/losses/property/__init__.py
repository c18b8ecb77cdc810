"""The loss of properties."""
