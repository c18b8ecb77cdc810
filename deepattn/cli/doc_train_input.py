"""``deepattn doc-train-input``."""

import argparse


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    from deepattn.config.document import FORMS

    parser = subparsers.add_parser(
        "doc-train-input",
        help="print all input keys",
        description="Print every key of an input file with its type, default and meaning, to "
        "standard output.",
        epilog="example: deepattn doc-train-input --out-type json_schema > input.schema.json",
    )
    parser.add_argument(
        "--out-type",
        choices=FORMS,
        default="rst",
        help="rst: a page; json_schema: for editors that check and complete an input; json: for "
        "programs (default rst)",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Print."""
    from deepattn.config.document import document

    print(document(args.out_type))
