"""``deepattn plot``."""

import argparse
import logging

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "plot",
        help="draw a learning curve or a parity plot",
        description="Draw what deepattn train and deepattn test wrote.",
        epilog="example: deepattn plot lcurve small/lcurve.out large/lcurve.out -o lcurve.svg",
    )
    kinds = parser.add_subparsers(metavar="KIND", dest="kind", required=True)
    lcurve = kinds.add_parser("lcurve", help="errors against the step of training")
    lcurve.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        default=["lcurve.out"],
        help="several runs share a picture (default lcurve.out)",
    )
    lcurve.add_argument("-o", "--output", default="lcurve.png", help="default lcurve.png")
    parity = kinds.add_parser("parity", help="predictions against labels")
    parity.add_argument(
        "prefixes",
        metavar="PREFIX",
        nargs="+",
        help="what followed -d in deepattn test; up to four share a picture",
    )
    parity.add_argument("-o", "--output", default="parity.png", help="default parity.png")
    return parser


def run(args: argparse.Namespace) -> None:
    """Draw."""
    from deepattn.plots.learning_curve import plot_learning_curve
    from deepattn.plots.parity import plot_parity

    if args.kind == "lcurve":
        picture = plot_learning_curve(args.files, args.output)
    else:
        picture = plot_parity(args.prefixes, args.output)
    log.info("the picture is saved in %s", picture)
