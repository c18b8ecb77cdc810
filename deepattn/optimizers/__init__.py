"""Optimizers, one folder each: the configuration and the optimizer.

The modules ``config`` do without TensorFlow; the rest is imported when a name is asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"adam.config": ["AdamConfig"]}
)
