"""``deepattn completion``."""

import argparse

_SHELLS = ("bash", "zsh", "tcsh")
# What a metavar says of the words that may stand in its place.
_FOLDERS = ("DIR",)
_PUBLISHED = "PRETRAINED"
_FILES = (
    *("FILE", "PATH", "INPUT", "OUTPUT", "MODEL", "CHECKPOINT", "FROZEN", "TEACHER", "DATA"),
    *("SOURCE", "DEST", "CONF"),
)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "completion",
        help="print the completion script of a shell",
        description="Print a script that makes a shell complete deepattn's commands, options and "
        'file names. In ~/.bashrc: eval "$(deepattn completion bash)"; for zsh, write it to a file '
        "_deepattn in a folder of fpath.",
        epilog="example: deepattn completion bash > ~/.local/share/bash-completion/completions/"
        "deepattn",
    )
    parser.add_argument("shell", choices=_SHELLS, help="bash, zsh or tcsh")
    return parser


def run(args: argparse.Namespace) -> None:
    """Print."""
    import shtab

    from deepattn.cli.main import full_parser
    from deepattn.pretrained import published_models

    parser = full_parser()
    _mark_files(parser, [model.name for model in published_models()])
    print(shtab.complete(parser, shell=args.shell))


def _mark_files(parser: argparse.ArgumentParser, published: list[str]) -> None:
    """Tell of each argument whether it is the name of a file, or of a published model."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark_files(command, published)
        elif action.metavar == _PUBLISHED:
            action.choices = published
        elif action.metavar in _FOLDERS:
            vars(action)["complete"] = shtab.DIRECTORY
        elif action.metavar in _FILES:
            vars(action)["complete"] = shtab.FILE
