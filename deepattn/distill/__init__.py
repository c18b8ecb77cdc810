"""Distillation: training a fast student to reproduce a slow teacher."""

import lazy_loader

# The configuration needs no TensorFlow, whose import takes seconds.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["DistillConfig", "read_distill"],
        "potential": ["Labels"],
        "result": ["DistillResult"],
        "run": ["distill"],
    },
)
