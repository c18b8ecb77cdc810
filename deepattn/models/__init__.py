"""Keras models: atoms to energy, forces and virial."""

import lazy_loader

# Reading a file needs no TensorFlow, whose import takes seconds.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "atomic_model": ["AtomicModel"],
        "build": ["build_model", "build_stored"],
        "energy_model": ["EnergyModel"],
        "files": [
            "MODEL_FILES",
            "ModelFile",
            "StoredModel",
            "find_model",
            "load_model",
            "open_model_file",
            "read_model",
        ],
        "masked_model": ["MaskedModel"],
        "observable_model": ["ObservableModel"],
        "short_range": ["ShortRangeModel"],
        "spin_model": ["SpinModel"],
        "tasks": ["build_models", "unique_variables"],
        "tensor_model": ["TensorModel"],
        "weights": ["resize_statistics"],
    },
)
