"""DPA-1: embedding of neighbors, gated self-attention, contraction."""
