"""The section of the schedule ``cosine``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.schedule import ScheduleConfig


@dataclass(frozen=True, kw_only=True)
class CosineConfig(ScheduleConfig):
    """Half a cosine."""

    implementation = "deepattn.schedules.cosine.schedule:CosineSchedule"
