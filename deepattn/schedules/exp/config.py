"""The section of the schedule ``exp``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.ranges import holds, within
from deepattn.config.schedule import ScheduleConfig
from deepattn.config.section import key


@dataclass(frozen=True, kw_only=True)
class ExpConfig(ScheduleConfig):
    """Exponential decay."""

    implementation = "deepattn.schedules.exp.schedule:ExpSchedule"

    decay_steps: int = key(5000, "Steps between two decays.", check=within(1))
    decay_rate: float | None = key(
        None,
        "Factor of one decay; null: chosen so that the learning rate ends at stop_lr.",
        check=holds(lambda rate: 0 < rate <= 1, "be greater than 0 and at most 1"),
    )
    smooth: bool = key(False, "Whether the learning rate decays smoothly at every step.")
