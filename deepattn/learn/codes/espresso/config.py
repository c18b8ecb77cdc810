"""The section of the source of labels ``espresso``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.learn.labels.config import JobsConfig


@dataclass(frozen=True, kw_only=True)
class EspressoConfig(JobsConfig):
    """Quantum ESPRESSO; the template has `pw.in` and the pseudopotentials, the command writes
    `pw.out`."""

    code = "deepattn.learn.codes.espresso.code:Espresso"
