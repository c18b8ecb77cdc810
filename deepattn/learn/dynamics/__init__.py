"""Dynamics that runs as jobs."""
