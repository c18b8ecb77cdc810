"""Evaluating models: energies, forces, virials, descriptors, and errors against labels."""

import lazy_loader

# Reading a file needs no TensorFlow, whose import takes seconds.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "branches": ["Branches"],
        "comparison": ["Comparison", "compare_models"],
        "deep_dos": ["DeepDOS"],
        "deep_eval": ["DeepEval"],
        "deep_pot": ["DeepPot"],
        "deep_property": ["DeepProperty"],
        "deep_tensor": ["DeepDipole", "DeepPolar", "DeepTensor"],
        "descriptors": ["write_descriptors"],
        "details": ["DetailFiles"],
        "deviation": ["model_deviation"],
        "embeddings": ["write_embeddings"],
        "ensemble": ["FrameDeviations", "deviation_on_systems", "write_deviation"],
        "frames": ["Frames"],
        "inspect": ["Inspection"],
        "labeled": ["read_frames"],
        "observable_testing": ["ObservableReport", "measure_observables"],
        "pairs": ["PairSample"],
        "report": ["SystemErrors", "TestReport"],
        "statistics": [
            "energy_errors",
            "error_lines",
            "errors_by_element",
            "merge_errors",
            "summary",
        ],
        "testing": ["measure_errors"],
        "uncertainty": ["open_uncertainty"],
        "uncertainty_fit": ["fit_uncertainty"],
    },
)
