"""Exploration: engines that run molecular dynamics, here or as jobs."""
