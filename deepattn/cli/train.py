"""``deepattn train``."""

import argparse
import os
import signal
from importlib import import_module

from deepattn.cli.options import require_files


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "train",
        help="train, resume or fine-tune a model",
        description="Train a model as an input file says.",
        epilog="example: deepattn train input.json --finetune pretrained.pb",
    )
    parser.add_argument("input", metavar="INPUT", help="input file, .json, .yaml or .yml")
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "-i",
        "--init-model",
        metavar="CHECKPOINT",
        help="start from the weights and the optimizer's moments of a checkpoint, at step 0; of "
        "one of DeePMD-kit (.pt) from the weights alone",
    )
    start.add_argument(
        "-r",
        "--restart",
        metavar="CHECKPOINT",
        help="resume a training from its checkpoint, as if it had not stopped",
    )
    start.add_argument(
        "-f",
        "--init-frz-model",
        metavar="FROZEN",
        help="start from the weights of a frozen model (.pb, .dp, .yaml, .pth), at step 0",
    )
    start.add_argument(
        "-t",
        "--finetune",
        metavar="MODEL",
        help="start from a frozen model (.pb, .dp, .yaml, .pth), a checkpoint or a downloaded "
        "model ('deepattn pretrained list'), whose energy bias is shifted to fit the data",
    )
    parser.add_argument(
        "--model-branch",
        "--head",
        metavar="BRANCH",
        help="with -t: the branch of a multi-task model to start from, or RANDOM for a "
        "new fitting net (default RANDOM for such a model)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="out.json",
        help="where the complete input is written (default out.json)",
    )
    parser.add_argument(
        "--skip-neighbor-stat",
        action="store_true",
        help="do not read all data before the first step: no search for the shortest distance and "
        "the most neighbors, and frames are checked when they are drawn",
    )
    parser.add_argument(
        "--use-pretrain-script",
        action="store_true",
        help="take the model section from the file too (-t does so anyway, unless the input is "
        "multi-task)",
    )
    parser.add_argument(
        "--pt",
        action="store_true",
        help="the input is one of DeePMD-kit's PyTorch backend (dp --pt): its model has the "
        "convention common unless it names another",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Train."""
    if os.environ.get("TF_CONFIG") or "SLURM_STEP_NUM_TASKS" in os.environ:
        _keep_sigterm_to_the_main_thread()
    starts = (args.init_model, args.restart, args.init_frz_model, args.finetune)
    _check(args, next(filter(None, starts), None))

    from deepattn.train import train

    train(
        args.input,
        init_model=args.init_model,
        restart=args.restart,
        init_frz_model=args.init_frz_model,
        finetune=args.finetune,
        model_branch=args.model_branch,
        output=args.output,
        skip_neighbor_stat=args.skip_neighbor_stat,
        pytorch=args.pt,
        use_pretrain_script=args.use_pretrain_script,
    )


def _keep_sigterm_to_the_main_thread() -> None:
    """Start NumPy's threads so that they do not take a signal that the main thread holds back."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    import_module("numpy")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _check(args: argparse.Namespace, start: str | None) -> None:
    """Say what is wrong with input and start before TensorFlow is imported, which takes seconds."""
    require_files(args.input)

    from deepattn.config import load_input, read_config
    from deepattn.config.linear import is_all_frozen
    from deepattn.models import find_model

    if start is not None:
        find_model(start)
    content = load_input(args.input)
    # Without its model section an input is not complete, nor without files that it combines.
    if not (_takes_model_section(args) or is_all_frozen(content)):
        read_config(args.input, pytorch=args.pt)


def _takes_model_section(args: argparse.Namespace) -> bool:
    return args.finetune is not None or args.use_pretrain_script
