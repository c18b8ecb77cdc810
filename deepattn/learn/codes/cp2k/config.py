"""The section of the source of labels ``cp2k``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.learn.labels.config import JobsConfig


@dataclass(frozen=True, kw_only=True)
class Cp2kConfig(JobsConfig):
    """CP2K; the template has `cp2k.inp` and files that it names and CP2K does not bring, the
    command writes `cp2k.out`."""

    code = "deepattn.learn.codes.cp2k.code:Cp2k"
