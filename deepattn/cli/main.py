"""The command ``deepattn``: finds the sub-command, runs it, and turns errors into one sentence."""

import argparse
import atexit
import contextlib
import gc
import os
import select
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from deepattn import __version__, limits
from deepattn.cli.log import DEBUG, LEVELS, set_up_logging
from deepattn.cli.native_log import NativeLog
from deepattn.cli.parser import Parser, did_you_mean
from deepattn.cli.terminal import escape, readable_output
from deepattn.errors import ConfigError, DeepattnError

_COMMANDS = {
    "init": "write an input file for data",
    "train": "train, resume or fine-tune a model",
    "freeze": "write a checkpoint as a frozen model, which DeePMD-kit and LAMMPS run",
    "compress": "tabulate the embedding nets of a model, for speed",
    "test": "compute the errors of a model on labeled data",
    "convert-backend": "convert a model between file formats",
    "convert-from": "convert a frozen graph of an older DeePMD-kit",
    "convert": "convert data of other codes to DeePMD's layouts",
    "change-bias": "change the energy bias of each element of a model",
    "diagnose": "say why the errors of a training are large",
    "check": "find errors in data",
    "check-model": "check that a model obeys the laws of a potential",
    "check-nve": "check that a model conserves the energy",
    "distill": "distill a slow teacher model into a fast student",
    "learn": "explore, label by a first-principles code, and train, until the errors are small",
    "plot": "draw a learning curve or a parity plot",
    "show": "show the contents of a model file",
    "pretrained": "list and download published models",
    "doc-train-input": "print all input keys",
    "neighbor-stat": "count the neighbors in data, to choose sel",
    "eval-desc": "compute the descriptors of all atoms",
    "embed": "compute feature vectors of atoms and frames",
    "model-devi": "compute the model deviation of an ensemble",
    "uncertainty": "estimate the errors of one model on each atom",
    "completion": "print the completion script of a shell",
}

# DeePMD-kit's names of what TensorFlow reads when it is imported.
_THREADS = {
    "DP_INTRA_OP_PARALLELISM_THREADS": "TF_NUM_INTRAOP_THREADS",
    "DP_INTER_OP_PARALLELISM_THREADS": "TF_NUM_INTEROP_THREADS",
}

_LEVEL_OPTIONS = ("-v", "--log-level")
_PATH_OPTIONS = ("-l", "--log-path")

# Of the collector of garbage. TensorFlow's modules and graphs are millions of objects that stay;
# Python's own thresholds look through them so often that every command starts a second later.
_GARBAGE_THRESHOLDS = (20_000, 10, 10)

_BROKEN_PIPE = 141  # as a shell says of a program that SIGPIPE ended


def program() -> NoReturn:
    """The command ``deepattn``: runs `main`, and ends the process with its status."""
    try:
        status = main()
    except SystemExit as wrong:  # of the parser
        if not isinstance(wrong.code, int):
            raise
        status = wrong.code
    leave(status)


def leave(status: int) -> NoReturn:
    """End the process as an exit does, but without freeing its objects one by one.

    With the modules and graphs of TensorFlow that takes a second.

    Args:
        status: The exit status.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # Who should have read it may be gone.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; those of the process by default, whose standard
            error is then kept free of TensorFlow's log, unless the level is DEBUG.

    Returns:
        The exit status: that of the sub-command, 0 as a rule; 1 after an error that one sentence on
        standard error explains, 130 after Ctrl-C, 141 if the reader of standard output is gone.
        Wrong arguments leave by ``SystemExit`` with 2.
    """
    native = NativeLog() if argv is None else None
    if argv is None:
        gc.set_threshold(*_GARBAGE_THRESHOLDS)

    def native_lines() -> str:
        nonlocal native
        lines, native = native.close() if native else "", None
        return lines

    try:
        with readable_output():
            return _main(list(sys.argv[1:] if argv is None else argv), native_lines)
    finally:
        native_lines()


def _main(argv: list[str], native_lines: Callable[[], str]) -> int:
    """Run; ``native_lines`` ends the silence and gives what was kept back so far."""
    debug = False
    try:
        args = _parser(argv).parse_args(argv)
        debug = LEVELS[args.log_level] == DEBUG
        if debug:
            native_lines()
        set_up_logging(args.log_level, args.log_path)
        _prepare_environment(args.log_level)
        status = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("interrupted.", 130)
    except BrokenPipeError as error:
        if not _reader_is_gone():
            return _fail(_sentence(error), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        return _BROKEN_PIPE
    except (DeepattnError, OSError) as error:
        return _fail(_sentence(error), 1)
    except MemoryError:
        return _fail("out of memory; use a smaller batch_size.", 1)
    except Exception as error:
        from deepattn.cli.bug import write_report

        return _fail(write_report(error, argv, native_lines(), show=debug), 1)
    return status or 0


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of a command line, with the arguments of its sub-command alone."""
    parser = bare_parser()
    # Importing a sub-command costs time; only the one that is asked for is imported.
    wanted = _command(argv)
    if wanted is not None and wanted not in _COMMANDS:
        parser.error(f"{wanted!r} is not a command{did_you_mean(wanted, _COMMANDS)}")
    subparsers = parser.add_subparsers(metavar="COMMAND", dest="command", parser_class=Parser)
    for name, summary in _COMMANDS.items():
        if name == wanted:
            add_command(subparsers, name)
        else:
            subparsers.add_parser(name, help=summary, add_help=False)
    return parser


def full_parser() -> argparse.ArgumentParser:
    """The parser with all arguments of all sub-commands."""
    parser = bare_parser()
    subparsers = parser.add_subparsers(metavar="COMMAND", dest="command", parser_class=Parser)
    for name in _COMMANDS:
        add_command(subparsers, name)
    return parser


def bare_parser() -> Parser:
    """The parser without sub-commands."""
    parser = Parser(
        prog="deepattn",
        description="Attention-based deep potentials in DeePMD-kit's formats.",
    )
    parser.add_argument("--version", action="version", version=f"deepattn {__version__}")
    _add_log_options(parser, level="INFO", path=None)
    parser.set_defaults(run=lambda args: parser.print_help())
    return parser


def add_command(subparsers: argparse._SubParsersAction, name: str) -> None:
    """Add the parser of a sub-command."""
    module = import_module(f"deepattn.cli.{name.replace('-', '_')}")
    command = module.add_parser(subparsers)
    command.set_defaults(run=module.run)
    for parser in (command, *_parsers_in(command)):
        parser.set_defaults(parser=parser)
        # What is given before the sub-command holds unless it is given again after it.
        _add_log_options(parser, level=argparse.SUPPRESS, path=argparse.SUPPRESS)


def _parsers_in(command: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers of the sub-commands of a sub-command."""
    return [
        parser
        for action in command._actions
        if isinstance(action, argparse._SubParsersAction)
        for parser in action.choices.values()
    ]


def _add_log_options(parser: argparse.ArgumentParser, *, level: str, path: str | None) -> None:
    group = parser.add_argument_group("log")
    group.add_argument(
        *_LEVEL_OPTIONS,
        choices=list(LEVELS),
        default=level,
        help="how much is logged: DEBUG or 3, which adds TensorFlow's own log, INFO or 2, WARNING "
        "or 1, ERROR or 0 (default INFO)",
    )
    group.add_argument(
        *_PATH_OPTIONS, metavar="FILE", default=path, help="log to this file as well"
    )


def _command(argv: Sequence[str]) -> str | None:
    """The sub-command of a command line."""
    words = iter(argv)
    for word in words:
        if word in (*_LEVEL_OPTIONS, *_PATH_OPTIONS):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _prepare_environment(level: str = "INFO") -> None:
    """Hand settings to TensorFlow and Keras, which read them when they are imported."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if LEVELS[level] == DEBUG else "2")
    for ours, theirs in _THREADS.items():
        value = os.environ.get(ours)
        if value is None:
            continue
        if limits.whole_number(value) is None:
            raise ConfigError(f"the environment variable {ours} is {value!r}, not a number.")
        os.environ.setdefault(theirs, value)


def _reader_is_gone() -> bool:
    """Whether standard output is a pipe whose reader is gone."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}."
    return str(error)


def _fail(sentence: str, status: int) -> int:
    print(f"deepattn: error: {escape(' '.join(sentence.split()))}", file=sys.stderr)
    return status
