"""Checking data: every frame of every system, once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from deepattn.check.coverage import Coverage
from deepattn.check.derivatives import Derivatives
from deepattn.check.distances import Distances
from deepattn.check.duplicates import Duplicates
from deepattn.check.energies import Energies
from deepattn.check.finding import DOUBT, FAULT, NOT_TESTED, Finding, Findings
from deepattn.check.forces import Forces
from deepattn.check.open_virials import OpenVirials
from deepattn.check.piece import read_pieces
from deepattn.check.sample import Sample
from deepattn.check.work import Work
from deepattn.data import System
from deepattn.data.type_map import names_or_numbers, union
from deepattn.errors import DataError
from deepattn.progress import tracked


def check_data(
    paths: Sequence[str],
    *,
    type_map: Sequence[str] | None = None,
    rcut: float = 6.0,
    sel: Sequence[int] | None = None,
) -> Findings:
    """Search for problems in training data: damage, contradictions, outliers, wrong units.

    Args:
        paths: Systems, as `deepattn.data.find_systems` gives them.
        type_map: Names of the model's types; by default those of the data.
        rcut: Cutoff radius, Å.
        sel: Slots of the model for neighbors: one number, or one for each type; ``None`` does not
            compare.

    Returns:
        What was found, by check and in the order of the systems: A list, with what could not be
        tested in its ``not_tested``.

    Raises:
        DataError: ``sel`` is of another number of types.

    Example:
        >>> found = check_data(find_systems("data"))
        >>> for record in [*found, *found.not_tested]:
        ...     print(record)
    """
    distinct = list(dict.fromkeys(map(os.path.normpath, paths)))
    findings = Findings(
        Finding(DOUBT, "duplicate", path, "the system is listed more than once")
        for path, times in Counter(map(os.path.normpath, paths)).items()
        if times > 1
    )
    systems = _open(distinct, type_map, findings)
    if type_map is None:
        systems = _named(systems, findings)
        type_map = union([system.data_type_map for system in systems])
        if type_map:
            systems = [System(system.path, type_map=type_map) for system in systems]
    names = names_or_numbers(type_map, max((s.ntypes for s in systems), default=0))
    if sel is not None and len(sel) not in (1, len(names)):
        raise DataError(
            f"sel has {len(sel)} numbers, but there are {len(names)} types: {' '.join(names)}"
        )
    sample, work = Sample(names, {system.path: system.nframes for system in systems}), Work()
    checks = (
        Distances(names, rcut=rcut, sel=sel),
        Forces(),
        OpenVirials(),
        work,
        Energies(names),
        Duplicates(),
        Coverage(names),
    )
    for system in tracked(systems, "checking"):
        for piece in read_pieces(system, findings):
            for check in (*checks, sample):
                check.add(piece)
    for check in checks:
        findings += check.report()
    for record in Derivatives(sample, work).report():
        (findings.not_tested if record.level == NOT_TESTED else findings).append(record)
    return findings


def _open(
    paths: Sequence[str], type_map: Sequence[str] | None, findings: list[Finding]
) -> list[System]:
    """The systems that can be opened; a finding for each of the others."""
    opened = []
    for path in paths:
        try:
            opened.append(System(path, type_map=type_map))
        except DataError as error:
            findings.append(Finding(FAULT, "files", path, str(error).replace(f"{path}/", "")))
    return opened


def _named(systems: list[System], findings: list[Finding]) -> list[System]:
    """All systems if none names its types; otherwise those that do, a finding for the others."""
    named = [system for system in systems if system.data_type_map is not None]
    if not named:
        return systems
    for system in systems:
        if system.data_type_map is None:
            message = "there is no type_map.raw, and other systems name their types; add it"
            findings.append(Finding(FAULT, "files", system.path, message))
    return named
