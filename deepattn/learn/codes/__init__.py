"""First-principles codes that label frames, one folder each.

The modules ``config`` do without TensorFlow. `LABELS` in `deepattn.learn.labels.config` names the
codes; other packages add to them by the group ``deepattn.labels`` of entry points.
"""
