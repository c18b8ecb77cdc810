"""Quantum ESPRESSO: ``pw.x``."""
