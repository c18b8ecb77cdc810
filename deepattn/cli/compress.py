"""``deepattn compress``."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deepattn.cli.options import add_head, count, positive, require_files
from deepattn.formats.outputs import SAVED_MODEL, compressed_output
from deepattn.quiet import at_level

if TYPE_CHECKING:
    from deepattn.infer import Comparison
    from deepattn.models import ModelFile

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "compress",
        help="tabulate the embedding nets of a model, for speed",
        description="Write a model with tables instead of its embedding nets. Without --fast it is "
        "a compressed graph of DeePMD-kit, for models without attention in strip mode, or for dpa2 "
        "in strip mode a SavedModel (.savedmodeltf), which DeePMD-kit 3.2 and its LAMMPS run.",
        epilog="example: deepattn compress -i frozen_model.pb -o compressed.pb --data data/valid",
    )
    parser.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        default="frozen_model.pb",
        help="a frozen model or a checkpoint (default frozen_model.pb)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="frozen_model_compressed",
        help="the compressed model; .pb, of dpa2 .savedmodeltf, is added where it is missing "
        "(default frozen_model_compressed)",
    )
    parser.add_argument(
        "-s",
        "--step",
        type=positive,
        default=0.01,
        help="width of the tables' intervals (default 0.01)",
    )
    parser.add_argument(
        "-e",
        "--extrapolate",
        metavar="FACTOR",
        type=positive,
        default=5.0,
        help="how far the tables reach beyond the shortest distance in the training data, in terms "
        "of the inverse distance (default 5)",
    )
    parser.add_argument(
        "-t",
        "--training-script",
        metavar="INPUT",
        help="input of the training, whose data are searched for the shortest distance if the "
        "model does not contain it",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="use deepattn's own kernels, for any se_atten model; DeePMD-kit 3.0 and later run the "
        "graph when DP_PLUGIN_PATH names deepattn's library, in the way that this command prints",
    )
    parser.add_argument(
        "--parallel",
        action="store_true",
        help="write a SavedModel of dpa2 that several processes of LAMMPS can run",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="compare both models on the systems found there, at any depth: deviations and times",
    )
    parser.add_argument(
        "-n",
        "--numb-test",
        metavar="N",
        type=count,
        default=20,
        help="compare at most N frames of each system (default 20)",
    )
    add_head(parser)
    parser.add_argument("-f", "--frequency", metavar="N", help="ignored")
    parser.add_argument("-c", "--checkpoint-folder", metavar="DIR", help="ignored")
    return parser


def run(args: argparse.Namespace) -> None:
    """Compress."""
    from deepattn.data import System, find_systems
    from deepattn.formats.files import check_folder
    from deepattn.models import open_model_file

    for option in ("frequency", "checkpoint_folder"):
        if getattr(args, option) is not None:
            log.warning("--%s is ignored: nothing depends on it", option.replace("_", "-"))
    check_folder(args.output)
    file = open_model_file(args.input, args.head)
    require_files(args.training_script)
    places = find_systems(args.data) if args.data else []
    # Before TensorFlow is imported, which takes seconds.
    descriptor = file.stored().config.descriptor
    descriptor.check_compressible(fast=args.fast)
    compressed_output(args.output, graphs=descriptor.graphs, parallel=args.parallel)

    from deepattn import ops
    from deepattn.export import compress_model
    from deepattn.infer import compare_models

    systems = [System(place, type_map=file.type_map()) for place in places]
    compressed = compress_model(
        file,
        args.output,
        head=args.head,
        step=args.step,
        extrapolate=args.extrapolate,
        fast=args.fast,
        parallel=args.parallel,
        training_script=args.training_script,
        data=systems,
    )
    if args.fast:
        log.info("before LAMMPS or dp runs it: export DP_PLUGIN_PATH=%s", ops.fast_library())
    if systems:
        with _original(file, graphs=descriptor.graphs, parallel=args.parallel) as original:
            found = compare_models(original, compressed.path, systems, numb_test=args.numb_test)
        _print(found, len(systems))


@contextmanager
def _original(file: ModelFile, *, graphs: bool, parallel: bool) -> Iterator[ModelFile | Path]:
    """The model as what its time can be compared with that of the compressed one.

    A SavedModel has none of deepattn's operations, which would evaluate the original.
    """
    if graphs:
        yield file
        return
    from deepattn.export import convert

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"original{SAVED_MODEL}"
        # What it logs is about a file to keep.
        with at_level(logging.getLogger("deepattn.export"), logging.WARNING):
            convert(file, target, parallel=parallel)
        yield target


def _print(found: Comparison, systems: int) -> None:
    """Print how far the models are apart, and how fast they are."""
    print(f"{found.frames} frames of {systems} systems; the largest deviations are")
    print(f"  energy {found.energy:.2e} eV/atom")
    print(f"  force  {found.force:.2e} eV/Å")
    print(f"  virial {found.virial:.2e} eV/atom")
    first, second = (1e6 * seconds / found.atoms for seconds in found.seconds)
    print(f"time: {first:.1f} µs per atom before, {second:.1f} after: {first / second:.2f}×")
