"""Dynamics by ASE."""
