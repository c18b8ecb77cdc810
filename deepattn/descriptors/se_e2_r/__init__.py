"""DeepPot-SE from distances alone."""
