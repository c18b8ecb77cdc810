"""The section of the schedule ``wsd``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.ranges import holds, one_of
from deepattn.config.schedule import ScheduleConfig
from deepattn.config.section import key


@dataclass(frozen=True, kw_only=True)
class WsdConfig(ScheduleConfig):
    """Stable, then a decay at the end."""

    implementation = "deepattn.schedules.wsd.schedule:WsdSchedule"

    decay_phase_ratio: float = key(
        0.1,
        "Length of the decay as a fraction of numb_steps.",
        check=holds(lambda ratio: 0 < ratio <= 1, "be greater than 0 and at most 1"),
    )
    decay_type: str = key(
        "inverse_linear",
        "Shape of the decay: inverse_linear, cosine or linear.",
        check=one_of("inverse_linear", "cosine", "linear"),
    )
