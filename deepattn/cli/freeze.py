"""``deepattn freeze``."""

import argparse
import logging

from deepattn.cli.options import add_head

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "freeze",
        help="write a checkpoint as a frozen model, which DeePMD-kit and LAMMPS run",
        description="Write a checkpoint as what an unmodified DeePMD-kit and its LAMMPS run, a "
        "frozen graph (.pb) or, for DeePMD-kit 3.2 and the only one of dpa2, a SavedModel "
        "(.savedmodeltf); as a file that all backends of DeePMD-kit read (.dp, .yaml); or as a "
        "checkpoint of its PyTorch backend (.pt), which holds all branches unless one is chosen.",
        epilog="example: deepattn freeze -c model.ckpt-2000 -o frozen_model.pb",
    )
    parser.add_argument(
        "-c",
        "--checkpoint",
        "--checkpoint-folder",
        metavar="CHECKPOINT",
        default=".",
        help="a folder, whose latest checkpoint is taken, a checkpoint, or a frozen model to write "
        "anew (default .)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="frozen_model.pb",
        help="the frozen model; .pb is added to a name that ends in none of .pb, .savedmodeltf, "
        ".dp, .yaml, .yml and .pt (default frozen_model.pb)",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="use deepattn's own attention kernels; DeePMD-kit 3.0 and later run the graph when "
        "DP_PLUGIN_PATH names deepattn's library, in the way that this command then prints",
    )
    parser.add_argument(
        "--parallel",
        action="store_true",
        help="write a SavedModel of dpa2 that several processes of LAMMPS can run: each evaluates "
        "the atoms of others whose messages its own get",
    )
    add_head(parser)
    return parser


def run(args: argparse.Namespace) -> None:
    """Freeze."""
    from deepattn.formats.files import check_folder
    from deepattn.formats.outputs import graph_unless_named
    from deepattn.models import open_model_file

    output = graph_unless_named(args.output)
    check_folder(output)
    source = open_model_file(args.checkpoint, args.head)

    from deepattn import ops
    from deepattn.export import convert

    convert(source, output, fast=args.fast, parallel=args.parallel)
    log.info("the frozen model is saved in %s", output)
    if args.fast:
        log.info("before LAMMPS or dp runs it: export DP_PLUGIN_PATH=%s", ops.fast_library())
