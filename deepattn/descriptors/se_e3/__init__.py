"""DeepPot-SE with three-body embedding."""
