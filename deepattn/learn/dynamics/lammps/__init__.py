"""Dynamics by LAMMPS."""
