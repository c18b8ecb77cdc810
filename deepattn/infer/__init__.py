"""Evaluating models: energies, forces, virials, and their errors against labels."""

import lazy_loader

# What only reads a file needs no TensorFlow, whose import takes seconds.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deep_pot": ["DeepPot"],
        "details": ["DetailFiles"],
        "labeled": ["read_frames"],
        "pairs": ["PairSample"],
        "report": ["TestReport"],
        "statistics": [
            "energy_errors",
            "error_lines",
            "errors_by_element",
            "merge_errors",
            "summary",
        ],
    },
)
