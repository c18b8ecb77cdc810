"""The base of descriptors with one environment matrix and embedding nets."""
