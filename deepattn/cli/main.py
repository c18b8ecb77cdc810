"""The command ``deepattn``: finds the sub-command, runs it, and turns errors into one sentence."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from deepattn import __version__
from deepattn.cli.log import LEVELS, set_up_logging
from deepattn.errors import ConfigError, DeepattnError

_COMMANDS = {
    "train": "train a model, or go on training or fine-tune one",
    "freeze": "write a checkpoint as a graph that DeePMD-kit runs",
    "compress": "replace the embedding nets of a model by tables",
    "test": "compare a model with labelled data",
    "convert-backend": "bring a model from one kind of file to another",
    "convert": "bring data of other codes into DeePMD's layouts",
    "change-bias": "change the energies that a model adds for its elements",
    "check": "look for what is wrong with data",
    "check-nve": "see whether a model conserves the energy",
    "distill": "train a fast student to give what a slow teacher gives",
    "plot": "draw a learning curve or a parity plot",
    "show": "tell what a model file holds",
    "doc-train-input": "print what an input file may say",
    "neighbor-stat": "count neighbours in given data, to choose sel",
    "eval-desc": "write the descriptors of all atoms",
    "model-devi": "tell how far several models are apart on given frames",
}

# DeePMD-kit's names of what TensorFlow reads when it is imported.
_THREADS = {
    "DP_INTRA_OP_PARALLELISM_THREADS": "TF_NUM_INTRAOP_THREADS",
    "DP_INTER_OP_PARALLELISM_THREADS": "TF_NUM_INTEROP_THREADS",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; those of the process by default.

    Returns:
        The exit status: that of the sub-command, 0 as a rule; 1 after an error that one sentence on
        standard error explains, 130 after Ctrl-C. Wrong arguments leave by ``SystemExit`` with 2.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(argv)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    try:
        set_up_logging(args.log_level, args.log_path)
        _prepare_environment()
        status = args.run(args)
    except KeyboardInterrupt:
        return _fail("interrupted.", 130)
    except (DeepattnError, OSError) as error:
        return _fail(_sentence(error), 1)
    except MemoryError:
        return _fail("out of memory; use a smaller batch_size.", 1)
    return status or 0


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deepattn",
        description="Attention-based deep potentials in DeePMD-kit's formats.",
    )
    parser.add_argument("--version", action="version", version=f"deepattn {__version__}")
    parser.set_defaults(command=None)
    subparsers = parser.add_subparsers(metavar="COMMAND", dest="command")
    # Importing a sub-command costs time; only the one that is asked for is imported.
    wanted = next((word for word in argv if not word.startswith("-")), None)
    for name, summary in _COMMANDS.items():
        if name == wanted:
            module = import_module(f"deepattn.cli.{name.replace('-', '_')}")
            command = module.add_parser(subparsers)
            command.set_defaults(run=module.run)
            _add_log_options(command)
        else:
            subparsers.add_parser(name, help=summary, add_help=False)
    return parser


def _add_log_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("log")
    group.add_argument(
        "-v",
        "--log-level",
        choices=list(LEVELS),
        default="INFO",
        help="how much is logged: DEBUG or 3, INFO or 2, WARNING or 1, ERROR or 0 (default INFO)",
    )
    group.add_argument("-l", "--log-path", metavar="FILE", help="log to this file as well")


def _prepare_environment() -> None:
    """Hand settings to TensorFlow and Keras, which read them when they are imported."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for ours, theirs in _THREADS.items():
        value = os.environ.get(ours)
        if value is None:
            continue
        if not value.isdecimal():
            raise ConfigError(f"the environment variable {ours} is {value!r}, not a number.")
        os.environ.setdefault(theirs, value)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}."
    return str(error)


def _fail(sentence: str, status: int) -> int:
    print(f"deepattn: error: {' '.join(sentence.split())}", file=sys.stderr)
    return status
