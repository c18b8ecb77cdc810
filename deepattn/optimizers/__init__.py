"""Optimizers, one folder each: the section of the input, and the optimizer.

The modules ``config`` do without TensorFlow; the rest is imported when a name is asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "adam.config": ["AdamConfig"],
        "adam.optimizer": ["Adam", "TorchAdam"],
        "adamw.config": ["AdamWConfig"],
        "adamw.optimizer": ["AdamW"],
        "base": ["Optimizer", "make_optimizer"],
    },
)
