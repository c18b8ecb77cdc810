"""``deepattn convert-backend``."""

import argparse
import logging

from deepattn.cli.options import add_head

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "convert-backend",
        help="convert a model between file formats",
        description="Write the model of a file as another kind of file: a frozen graph (.pb), a "
        "SavedModel (.savedmodeltf), a file that all backends of DeePMD-kit read (.dp, .yaml), or "
        "a checkpoint of its PyTorch backend (.pt), which holds all branches unless one is chosen.",
        epilog="example: deepattn convert-backend frozen_model.pb model.dp",
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a frozen model (.pb, .pth), a .dp or .yaml file, or a checkpoint",
    )
    parser.add_argument(
        "output", metavar="OUTPUT", help="ends in .pb, .savedmodeltf, .dp, .yaml, .yml or .pt"
    )
    parser.add_argument(
        "--atomic-virial",
        action="store_true",
        help="accepted for compatibility with DeePMD-kit; graphs always give atomic virials",
    )
    add_head(parser)
    return parser


def run(args: argparse.Namespace) -> None:
    """Convert."""
    from deepattn.formats.files import check_folder
    from deepattn.models import open_model_file

    source = open_model_file(args.input, args.head)
    check_folder(args.output)

    from deepattn.export import convert

    target = convert(source, args.output)
    log.info("the model is saved in %s", target)
