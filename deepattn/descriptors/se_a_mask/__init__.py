"""DeepPot-SE of all atoms of a frame, of which some may be masked."""
