"""Checking data: every frame of every system, once."""

from __future__ import annotations

from collections.abc import Sequence

from deepattn.check.coverage import Coverage
from deepattn.check.distances import Distances
from deepattn.check.duplicates import Duplicates
from deepattn.check.energies import Energies
from deepattn.check.finding import FAULT, Finding, Tally
from deepattn.check.forces import Forces
from deepattn.check.piece import read_pieces
from deepattn.check.work import Work
from deepattn.data import System
from deepattn.data.type_map import union
from deepattn.errors import DataError
from deepattn.progress import tracked


def check_data(
    paths: Sequence[str],
    *,
    type_map: Sequence[str] | None = None,
    rcut: float = 6.0,
    sel: Sequence[int] | None = None,
) -> list[Finding]:
    """Look for what would spoil a training: damage, contradictions, outliers, wrong units.

    Args:
        paths: systems, as `deepattn.data.find_systems` gives them.
        type_map: names of the model's types; by default those of the data.
        rcut: cut-off radius, Å.
        sel: slots of the model for neighbours: one number, or one for each type; ``None`` does not
            compare.

    Returns:
        What was found, by check and in the order of the systems.

    Example:
        >>> for finding in check_data(find_systems("data")):
        ...     print(finding)
    """
    opened, findings = _open(paths, type_map)
    if type_map is None:
        type_map = union([system.data_type_map for system in opened])
        opened = [System(system.path, type_map=type_map) for system in opened]
    names = list(type_map) or [str(k) for k in range(max((s.ntypes for s in opened), default=0))]
    unread = Tally(FAULT, "numbers")
    checks = (
        Distances(names, rcut=rcut, sel=sel),
        Forces(),
        Work(),
        Energies(names),
        Duplicates(),
        Coverage(names),
    )
    for system in tracked(opened, "checking"):
        for piece in read_pieces(system, unread):
            for check in checks:
                check.add(piece)
    findings += unread.report()
    for check in checks:
        findings += check.report()
    return findings


def _open(
    paths: Sequence[str], type_map: Sequence[str] | None
) -> tuple[list[System], list[Finding]]:
    """The systems that can be opened, and a finding for each of the others."""
    opened, findings = [], []
    for path in paths:
        try:
            opened.append(System(path, type_map=type_map))
        except DataError as error:
            findings.append(Finding(FAULT, "files", path, str(error)))
    return opened, findings
