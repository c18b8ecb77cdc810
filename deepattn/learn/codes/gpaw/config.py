"""The section of the source of labels ``gpaw``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.learn.labels.config import JobsConfig


@dataclass(frozen=True, kw_only=True)
class GpawConfig(JobsConfig):
    """GPAW; the template has `gpaw.json`, the parameters of its calculator, and the command runs
    the script `label.py`."""

    code = "deepattn.learn.codes.gpaw.code:Gpaw"
