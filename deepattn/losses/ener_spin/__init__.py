"""The loss of an energy model of magnetic moments."""
