"""Tables of energies of pairs."""
