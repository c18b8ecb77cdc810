"""The loss of densities of states."""
