"""The base of DeepPot-SE and DPA-1: their sections and their layers."""
