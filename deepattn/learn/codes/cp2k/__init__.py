"""CP2K: Quickstep."""
