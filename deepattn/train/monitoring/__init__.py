"""Watching a training: learning curve, TensorBoard, progress, timing, profiles, diverged values."""
