"""A stable learning rate, then a decay."""
