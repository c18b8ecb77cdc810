"""Sources of labels: an ASE calculator, or first-principles codes that run as jobs."""
