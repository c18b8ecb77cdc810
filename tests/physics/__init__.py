"""Laws that every model must obey, whatever its options."""
