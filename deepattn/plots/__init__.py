"""Pictures: the learning curve and parity."""
