"""``deepattn model-devi``."""

import argparse
import logging

from deepattn.cli.options import add_head, add_system

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "model-devi",
        help="compute the model deviation of an ensemble",
        description="Compute the deviation of several models from one another on given frames, "
        "in the columns of dp model-devi. An existing file is replaced.",
        epilog="example: deepattn model-devi -m a.pb b.pb c.pb -s trajectory.lammpstrj -t O H",
    )
    parser.add_argument(
        "-m",
        "--models",
        metavar="FILE",
        nargs="+",
        default=[f"graph.{k:03d}" for k in range(4)],
        help="frozen models or checkpoints of one type map (default graph.000 … graph.003)",
    )
    add_head(parser)
    add_system(parser)
    parser.add_argument(
        "-t",
        "--type-map",
        metavar="NAME",
        nargs="+",
        help="names of the types 1, 2, … of a LAMMPS dump, or of other data that do not name them "
        "(default: those of the models, if there are as many)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="model_devi.out",
        help="default model_devi.out",
    )
    parser.add_argument(
        "-f",
        "--frequency",
        metavar="N",
        type=int,
        default=1,
        help="steps from one frame to the next, if the data do not contain them (default 1)",
    )
    parser.add_argument(
        "--uncertainty",
        metavar="FILE",
        nargs="?",
        const=True,
        default=False,
        help="add what the first model estimates of its own errors (max_unc_f, eV/Å) and its "
        "largest distance from the training data (max_dist), by the file that 'deepattn "
        "uncertainty fit' wrote (default the one beside the model)",
    )
    parser.add_argument(
        "--real_error",
        action="store_true",
        help="compare with the labels, not with one another; nan where there is no label",
    )
    parser.add_argument("--atomic", action="store_true", help="add a column for every atom's force")
    parser.add_argument(
        "--relative",
        metavar="LEVEL",
        type=float,
        help="divide the deviation of a force by its magnitude plus LEVEL (eV/Å)",
    )
    parser.add_argument(
        "--relative_v",
        metavar="LEVEL",
        type=float,
        help="divide the deviation of a virial by its norm plus LEVEL (eV/atom)",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Compare the models."""
    from deepattn.data import find_systems
    from deepattn.formats.files import check_folder
    from deepattn.models import open_model_file

    files = [open_model_file(path, args.head) for path in args.models]
    check_folder(args.output)
    systems = find_systems(args.system, labeled=args.real_error)

    from deepattn.infer import deviation_on_systems, write_deviation

    if len(args.models) == 1 and not (args.real_error or args.uncertainty):
        log.warning(
            "a single model does not deviate from itself: all columns will be zero; give several, "
            "--uncertainty, or --real_error to compare it with labels"
        )
    deviations = deviation_on_systems(
        files,
        systems,
        names=args.type_map,
        with_labels=args.real_error,
        relative=args.relative,
        relative_v=args.relative_v,
        frequency=args.frequency,
        uncertainty=args.uncertainty,
    )
    count = write_deviation(
        args.output, deviations, atomic=args.atomic, uncertainty=bool(args.uncertainty)
    )
    log.info("the deviations are in %s; systems: %d", args.output, count)
