"""The section of the source of labels ``vasp``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.learn.labels.config import JobsConfig


@dataclass(frozen=True, kw_only=True)
class VaspConfig(JobsConfig):
    """VASP; the template has `INCAR` with `ENCUT`, and a `POTCAR` with all elements."""

    code = "deepattn.learn.codes.vasp.code:Vasp"
