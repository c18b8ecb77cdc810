"""``deepattn uncertainty``."""

from __future__ import annotations

import argparse
import logging

from deepattn.cli.options import add_head, add_model

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "uncertainty",
        help="estimate the errors of one model on each atom",
        description="Make the file with which a model estimates the errors of its forces: "
        "distances of atoms from the training data, calibrated on frames that the model was not "
        "trained on. DeepPot, the ASE calculator and model-devi use it.",
        epilog="example: deepattn uncertainty fit -m model.pb -s data/train --held-out data/valid",
    )
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    fit = actions.add_parser("fit", help="make the file, and say how good it is")
    add_model(fit)
    add_head(fit)
    trained = fit.add_mutually_exclusive_group(required=True)
    trained.add_argument(
        "-s",
        "--system",
        metavar="PATH",
        nargs="+",
        help="where the systems are that the model was trained on; labels are not needed",
    )
    trained.add_argument("--train-data", metavar="INPUT", help="the training systems of an input")
    held_out = fit.add_mutually_exclusive_group(required=True)
    held_out.add_argument(
        "--held-out",
        metavar="PATH",
        nargs="+",
        help="where labeled systems are that it was not trained on",
    )
    held_out.add_argument(
        "--valid-data", metavar="INPUT", help="the validation systems of an input"
    )
    fit.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="default MODEL.uncertainty, where the model finds it",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Make the file."""
    from deepattn.data import find_systems
    from deepattn.data.inputs import systems_of_input
    from deepattn.formats.files import check_folder
    from deepattn.infer.uncertainty import uncertainty_path
    from deepattn.models import open_model_file

    file = open_model_file(args.model, args.head)
    output = args.output or uncertainty_path(file)
    check_folder(output)
    systems = (
        find_systems(args.system, labeled=False)
        if args.system
        else systems_of_input(args.train_data, "training_data", head=args.head)
    )
    held_out = (
        find_systems(args.held_out)
        if args.held_out
        else systems_of_input(args.valid_data, "validation_data", head=args.head)
    )

    from deepattn.infer.uncertainty_fit import fit_uncertainty
    from deepattn.uncertainty import write_uncertainty

    uncertainty = fit_uncertainty(file, systems, held_out)
    write_uncertainty(output, uncertainty)
    log.info("the uncertainties are saved in %s", output)
    found, calibration = uncertainty.record["held_out"], uncertainty.calibration
    print(f"atoms in the training data         {uncertainty.record['trained']['atoms']}")
    print(f"atoms held out                     {found['atoms']}")
    print(f"RMSE of their forces               {1e3 * found['rmse']:.1f} meV/Å")
    print(f"farther than 99 % of the training  {100 * found['beyond']:.1f} %")
    print(
        f"expected error                     ∝ distance^{calibration.distance:.2f} "
        f"(|F| + {calibration.floor:.3f} eV/Å)^{calibration.force:.2f}"
    )
    print("                                   rank correlation  worst 10 % found")
    for name, words in (("force_error", "expected error"), ("distance", "distance alone")):
        quality = found[name]
        print(f"{words:<34} {quality['rank']:>16.2f} {100 * quality['found']:>16.0f} %")
