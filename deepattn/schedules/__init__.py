"""Schedules of the learning rate, one folder each: the section of the input, and the schedule.

The modules ``config`` do without TensorFlow; the rest is imported when a name is asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["Schedule", "make_schedule"],
        "cosine.config": ["CosineConfig"],
        "cosine.schedule": ["CosineSchedule"],
        "exp.config": ["ExpConfig"],
        "exp.schedule": ["ExpSchedule"],
        "wsd.config": ["WsdConfig"],
        "wsd.schedule": ["WsdSchedule"],
    },
)
