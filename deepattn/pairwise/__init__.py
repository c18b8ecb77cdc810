"""QM/MM corrections by pairs of the QM atoms and a residue (``pairwise_dprc``)."""
