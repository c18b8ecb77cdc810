"""Polarizabilities."""
