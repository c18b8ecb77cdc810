"""Pictures: the learning curve, parity, the type embedding."""
