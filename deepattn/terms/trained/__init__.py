"""Models that are trained beside the first one."""
