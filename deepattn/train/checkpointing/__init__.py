"""Checkpoints of a training: writing them, claiming their place, putting earlier ones aside."""
