"""The section of the source of labels ``abacus``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.learn.labels.config import JobsConfig


@dataclass(frozen=True, kw_only=True)
class AbacusConfig(JobsConfig):
    """ABACUS; the template has `INPUT`, a `STRU` with all elements, and the pseudopotentials and
    orbitals that it names."""

    code = "deepattn.learn.codes.abacus.code:Abacus"
