"""Potentials that are added to the model that is trained, a folder each."""
