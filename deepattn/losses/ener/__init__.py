"""The loss of an energy model."""
