"""``deepattn check``."""

import argparse
import json
import logging
from collections import Counter
from dataclasses import asdict

from deepattn.cli.options import add_type_map, count, positive

log = logging.getLogger(__name__)

_SYSTEMS_OF_A_KIND = 5


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "check",
        help="find errors in data",
        description="Read every frame once and report what is wrong or looks wrong: numbers "
        "that are not finite, overlapping atoms, duplicate frames, energies that the composition "
        "does not explain, forces that do not add up, elements without samples, neighbors beyond "
        "sel. Signs and units of energies, forces and virials are tested where the frames allow "
        "it: by the work of forces between near frames, by short bonds, and by a model of pairs "
        "fitted to the forces; what could not be tested is listed with the reason. The exit "
        "status is 1 if a fault is found, 0 if there are doubts at most.",
        epilog="example: deepattn check input.json",
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="+",
        help="where to look for systems, at any depth; or an input file, whose systems are checked "
        "against its type_map, rcut and sel",
    )
    add_type_map(parser)
    parser.add_argument(
        "-r", "--rcut", metavar="RCUT", type=positive, help="cutoff radius, Å (default 6)"
    )
    parser.add_argument(
        "--sel",
        metavar="N",
        type=count,
        nargs="+",
        help="slots of the model for neighbors: one number, or one for each type",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the findings and what was not tested as JSON, with all frames",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Check."""
    from deepattn.check import FAULT, check_paths

    systems, findings = check_paths(args.data, type_map=args.type_map, rcut=args.rcut, sel=args.sel)
    if args.json:
        records = [asdict(finding) for finding in (*findings, *findings.not_tested)]
        print(json.dumps(records, indent=1, ensure_ascii=False))
    else:
        _print(findings)
        _print(findings.not_tested)
    faults = sum(finding.level == FAULT for finding in findings)
    log.info(
        "systems: %d, faults: %d, doubts: %d, not tested: %s",
        len(systems),
        faults,
        len(findings) - faults,
        _count(findings.not_tested, len(systems)),
    )
    return int(faults > 0)


def _print(records: list) -> None:
    """Findings or tests left out, of each kind those of the first systems."""
    kinds: dict[tuple[str, str], list] = {}
    for record in records:
        kinds.setdefault((record.level, record.check), []).append(record)
    for (level, check), alike in kinds.items():
        for record in alike[:_SYSTEMS_OF_A_KIND]:
            print(record)
        if (others := len(alike) - _SYSTEMS_OF_A_KIND) > 0:
            more = "1 more system is" if others == 1 else f"{others} more systems are"
            print(f"{level} ({check}): {more} like these; --json lists them")


def _count(untested: list, systems: int) -> str:
    """How many tests were left out, which, and for how many systems if not for all."""
    counts = Counter(test.check for test in untested)
    names = [
        check if count == systems else f"{check} in {count} of {systems} systems"
        for check, count in counts.items()
    ]
    return f"{len(counts)} ({', '.join(names)})" if names else "0"
