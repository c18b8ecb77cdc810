"""``deepattn test``."""

import argparse
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from deepattn.cli.options import add_model, add_systems

log = logging.getLogger(__name__)

_CHUNK_ATOMS = 1_000_000
_AXES = [a + b for a in "xyz" for b in "xyz"]


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "test",
        help="compare a model with labelled data",
        description="Compare the energies, forces and virials of a model with labelled data. The "
        "results go to standard output, everything else to standard error.",
    )
    add_model(parser)
    data = add_systems(parser)
    data.add_argument("--train-data", metavar="INPUT", help="the training systems of an input")
    data.add_argument("--valid-data", metavar="INPUT", help="the validation systems of an input")
    parser.add_argument(
        "-n",
        "--numb-test",
        metavar="N",
        type=_count,
        default=0,
        help="test at most N frames of each system; 0 tests all (default 0)",
    )
    parser.add_argument("-r", "--rand-seed", metavar="SEED", type=int, help="seed of the shuffling")
    parser.add_argument("--shuffle-test", action="store_true", help="shuffle before taking N")
    parser.add_argument(
        "-d",
        "--detail-file",
        metavar="PREFIX",
        help="write labels and predictions to PREFIX.e.out, PREFIX.f.out, …",
    )
    parser.add_argument(
        "-a", "--atomic", action="store_true", help="compare atomic energies (atom_ener.npy) too"
    )
    parser.add_argument("-S", "--set-prefix", metavar="PREFIX", help="ignored")
    return parser


def run(args: argparse.Namespace) -> None:
    """Test."""
    from deepattn.data import System
    from deepattn.infer import DeepPot, error_lines, merge_errors

    if args.set_prefix is not None:
        log.warning("--set-prefix is ignored: sets are always named set.*")
    random = np.random.RandomState(None if args.rand_seed is None else args.rand_seed % 2**32)
    systems = _systems(args)
    collected = []
    with DeepPot(args.model) as model, _Details(args.detail_file) as details:
        for path in systems:
            print("# ---------------output of dp test--------------- ")
            print(f"# testing system : {path}", flush=True)
            system = System(path, type_map=model.get_type_map())
            frames = np.arange(system.nframes)
            if args.shuffle_test:
                random.shuffle(frames)
            frames = frames[: args.numb_test or None]
            errors = merge_errors(
                [_test(model, system, x, args.atomic, details) for x in _chunks(frames, system)]
            )
            print(f"# number of test data : {len(frames)} ")
            _print_lines(error_lines(errors))
            # As in dp test, atomic energies are not averaged over systems.
            collected.append({k: v for k, v in errors.items() if not k.endswith("_ae")})
    print("# ----------weighted average of errors----------- ")
    print(f"# number of systems : {len(systems)}")
    _print_lines(error_lines(merge_errors(collected)))


def _print_lines(lines: list[str]) -> None:
    for line in (*lines, "# ----------------------------------------------- "):
        print(line, flush=True)


def _test(model, system, frames: np.ndarray, atomic: bool, details: "_Details") -> dict:
    """Evaluate some frames, write their details and give their errors."""
    from deepattn.errors import DataError
    from deepattn.infer import energy_errors, read_frames

    names = ["energy", "force", "virial", "atom_pref", *(["atom_ener"] if atomic else [])]
    arguments, labels = read_frames(model, system, frames, names)
    if atomic and not labels["find_atom_ener"].all():
        raise DataError(f"system {system.path} has no atom_ener, which --atomic compares")
    outputs = model.eval(**arguments, atomic=atomic)
    prediction = {"energy": outputs[0][:, 0], "force": outputs[1], "virial": outputs[2]}
    if atomic:
        prediction["atom_ener"] = outputs[3][:, :, 0]
    atype, box = arguments["atom_types"], arguments["cells"]
    details.write(system.path, labels, prediction, atype, box)
    return energy_errors(prediction, labels, atype=atype, box=box)


def _systems(args: argparse.Namespace) -> list[str]:
    from deepattn.config import load_input, upgrade
    from deepattn.data import find_systems, read_list
    from deepattn.errors import DataError

    if args.datafile is not None:
        return read_list(args.datafile)
    file = args.train_data or args.valid_data
    if file is None:
        return find_systems(args.system)
    kind = "training_data" if args.train_data else "validation_data"
    section = upgrade(load_input(file)).get("training", {}).get(kind) or {}
    listed = section.get("systems") or []
    listed = [listed] if isinstance(listed, str) else listed
    if not listed:
        raise DataError(f"{file}: has no training.{kind}.systems")
    base = Path(file).resolve().parent
    resolved = [os.path.normpath(base / entry) for entry in listed]
    return find_systems(resolved, rglob_patterns=section.get("rglob_patterns"))


def _chunks(frames: np.ndarray, system) -> Iterator[np.ndarray]:
    from deepattn.errors import DataError

    text = os.environ.get("DP_TEST_CHUNK_ATOMS", str(_CHUNK_ATOMS))
    if not text.isdecimal():
        raise DataError(f"the variable DP_TEST_CHUNK_ATOMS is {text!r}, not a number")
    step = max(1, int(text) // system.natoms)
    for first in range(0, len(frames), step):
        yield frames[first : first + step]


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return int(text)


class _Details:
    """The detail files of all systems, which appear when the last one has been tested.

    Args:
        prefix: Path whose ending gives way to ``.e.out`` and so on; None writes nothing.
    """

    def __init__(self, prefix: str | None):
        self._prefix = None if prefix is None else Path(prefix)
        self._stack = ExitStack()
        self._files: dict[str, IO] = {}

    def __enter__(self) -> "_Details":
        self._stack.__enter__()
        return self

    def __exit__(self, *error) -> bool | None:
        return self._stack.__exit__(*error)

    def write(
        self, system: str, labels: dict, prediction: dict, atype: np.ndarray, box: np.ndarray | None
    ) -> None:
        """Add the rows of some frames."""
        if self._prefix is None:
            return
        natoms = np.maximum(np.count_nonzero(atype >= 0, axis=1), 1)[:, None]
        pairs = {name: (labels[name], prediction[name]) for name in ("energy", "force", "virial")}
        energy, force, virial = (
            np.hstack([x.reshape(-1, width), y.reshape(-1, width)])
            for (x, y), width in zip(pairs.values(), (1, 3, 9), strict=True)
        )
        self._rows(".e.out", system, energy, ["e"])
        self._rows(".e_peratom.out", system, energy / natoms, ["e"])
        self._rows(".f.out", system, force, ["fx", "fy", "fz"])
        self._rows(".v.out", system, virial, [f"v{axis}" for axis in _AXES])
        self._rows(".v_peratom.out", system, virial / natoms, [f"v{axis}" for axis in _AXES])
        if box is not None and labels["find_virial"].any():
            volume = np.abs(np.linalg.det(box.reshape(-1, 3, 3)))[:, None]
            self._rows(".s.out", system, -virial / volume, [f"s{axis}" for axis in _AXES])

    def _rows(self, ending: str, system: str, rows: np.ndarray, columns: Sequence[str]) -> None:
        from deepattn.formats.files import write_whole

        header = ""
        if ending not in self._files:
            path = self._prefix.with_suffix(ending)
            self._files[ending] = self._stack.enter_context(write_whole(path, "w"))
            unit = " (eV/Å³)" if ending == ".s.out" else ""
            names = [f"{origin}_{name}" for origin in ("data", "pred") for name in columns]
            header = f"{system}{unit}: {' '.join(names)}"
        np.savetxt(self._files[ending], rows, header=header)
