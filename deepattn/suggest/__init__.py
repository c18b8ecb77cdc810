"""An input file for data: a small set of rules, each with its reason."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "choice": ["Choice"],
        "facts": ["Facts"],
        "suggestion": ["Suggestion", "suggest_input"],
        "survey": ["survey_data"],
        "table": ["format_table"],
        "timing": ["StepTime", "time_steps"],
        "write": ["check_target", "write_input"],
    },
)
