"""Command line: one module a sub-command."""
