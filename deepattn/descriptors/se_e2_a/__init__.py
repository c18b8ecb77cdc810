"""DeepPot-SE with two-body embedding, the baseline of DPA-1."""
