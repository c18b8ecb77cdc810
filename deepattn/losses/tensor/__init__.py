"""The loss of dipole moments and polarizabilities."""
