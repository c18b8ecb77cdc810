"""``deepattn convert-from``."""

import argparse
import logging

from deepattn.cli.options import require_files

log = logging.getLogger(__name__)

# Those of `deepattn.formats.old_graphs`, without its import.
_VERSIONS = ("0.12", "1.0", "1.1", "1.2", "1.3", "2.0")


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "convert-from",
        help="convert a frozen graph of an older DeePMD-kit",
        description="Convert a frozen graph that DeePMD-kit 0.12 to 2.0 wrote to today's form, or "
        "a graph between its binary form (.pb) and text (.pbtxt), which keeps its version.",
        epilog="example: deepattn convert-from -i old.pb -o frozen_model.pb",
    )
    parser.add_argument(
        "version",
        metavar="FROM",
        nargs="?",
        choices=["auto", *_VERSIONS, "pbtxt"],
        default="auto",
        help=f"the version that wrote the graph, one of {', '.join(_VERSIONS)}; pbtxt for a text; "
        "auto to recognize the version (default)",
    )
    parser.add_argument(
        "-i",
        "--input-model",
        metavar="INPUT",
        default="frozen_model.pb",
        help="the graph (default frozen_model.pb)",
    )
    parser.add_argument(
        "-o",
        "--output-model",
        metavar="OUTPUT",
        default="convert_out.pb",
        help="the converted graph (default convert_out.pb); if the name ends in .pbtxt, the graph "
        "is written as text in the version that it has",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Convert."""
    from deepattn.formats.convert_from import convert_graph

    require_files(args.input_model)
    target = convert_graph(args.input_model, args.output_model, version=args.version)
    log.info("the graph is saved in %s", target)
