"""Attention-based deep potentials in TensorFlow and Keras, in DeePMD-kit's formats.

What is public: the names below, and those that the packages list in ``__all__``. They are imported
when they are asked for; importing deepattn does not start TensorFlow.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={
        *("config", "data", "descriptors", "fittings", "infer", "layers", "models"),
        *("pretrained", "train"),
    },
    submod_attrs={
        "calculator": ["DP"],
        "config": ["read_config"],
        "infer": ["DeepPot"],
        "models": ["EnergyModel", "load_model"],
    },
)
