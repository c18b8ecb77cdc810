"""Why the errors of a training are large: causes found in its learning curve, input and data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cause": ["Cause"],
        "curve": ["Curve"],
        "labels": ["LabelStatistics", "label_statistics"],
        "run": ["Diagnosis", "diagnose_training"],
        "sources": ["Run", "find_run"],
    },
)
