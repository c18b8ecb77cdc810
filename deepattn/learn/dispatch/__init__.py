"""Jobs: what they run, and where, by dpdispatcher."""
