"""The loop with first principles: explore, select, label, train, and distill at the end."""

import lazy_loader

# The configuration needs no TensorFlow, whose import takes seconds.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["LearnConfig", "read_learn"],
        "result": ["LearnResult"],
        "run": ["learn"],
    },
)
