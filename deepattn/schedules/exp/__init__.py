"""Exponential decay of the learning rate."""
