"""``deepattn diagnose``."""

import argparse
import json
import logging
from dataclasses import asdict

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "diagnose",
        help="say why the errors of a training are large",
        description="Read learning curve, input and data of a training, and list what may explain "
        "its errors, the likeliest first: too few steps, a learning rate that is too high or too "
        "low, overfitting, prefactors, outliers, elements without training frames, what deepattn "
        "check finds.",
        epilog="example: deepattn diagnose runs/water",
    )
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        default=".",
        help="folder of the training, or its lcurve.out (default .)",
    )
    parser.add_argument(
        "--input",
        metavar="INPUT",
        help="its input (default: out.json or input.json beside the curve)",
    )
    parser.add_argument("--json", action="store_true", help="print the causes as JSON")
    return parser


def run(args: argparse.Namespace) -> None:
    """Diagnose."""
    from deepattn.diagnose import find_run

    found = find_run(args.path, args.input)

    from deepattn.diagnose import diagnose_training

    diagnosis = diagnose_training(found)
    for line in (*diagnosis.summary, *diagnosis.not_done):
        log.info("%s", line)
    if args.json:
        records = [asdict(cause) for cause in diagnosis.causes]
        print(json.dumps(records, indent=1, ensure_ascii=False))
    else:
        for number, cause in enumerate(diagnosis.causes, start=1):
            print(f"{number}. {cause}")
    if not diagnosis.causes:
        log.info("nothing was found that explains large errors")
    log.info("deepattn plot lcurve %s draws the curve", found.curve)
