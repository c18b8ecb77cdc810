"""``deepattn eval-desc``."""

import argparse
import logging
from pathlib import Path

from deepattn.cli.options import add_head, add_model, add_systems
from deepattn.cli.systems import systems_of

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "eval-desc",
        help="compute the descriptors of all atoms",
        description="Write the descriptor of every atom, one file DIR/<name of the system>.npy of "
        "the shape [frames, atoms, width] for each system.",
        epilog="example: deepattn eval-desc -m frozen_model.pb -s data -o desc",
    )
    add_model(parser)
    add_head(parser)
    add_systems(parser)
    parser.add_argument(
        "-o", "--output", metavar="DIR", default="desc", help="folder of the files (default desc)"
    )
    parser.add_argument(
        "--dtype",
        choices=["native", "fp32", "fp64"],
        default="native",
        help="precision of the files (default native, which is fp64)",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Evaluate."""
    import numpy as np

    from deepattn.data import System
    from deepattn.formats.files import write_whole
    from deepattn.formats.find import find_model

    find_model(args.model)
    paths = systems_of(args, labeled=False)

    from deepattn.infer import DeepPot, read_frames

    with DeepPot(args.model, head=args.head) as model:
        systems = [System(path, type_map=model.get_type_map(), labeled=False) for path in paths]
        files = _files(paths, Path(args.output))
        Path(args.output).mkdir(parents=True, exist_ok=True)
        for system, path in zip(systems, files, strict=True):
            arguments, _ = read_frames(model, system, np.arange(system.nframes))
            descriptors = model.eval_descriptor(**arguments, dtype=args.dtype)
            with write_whole(path) as file:
                np.save(file, descriptors)
    log.info("the descriptors are in %s; systems: %d", args.output, len(systems))


def _files(paths: list[str], folder: Path) -> list[Path]:
    """A file for each system; systems of one name would overwrite each other's."""
    from deepattn.errors import DataError

    files: dict[Path, str] = {}
    for path in paths:
        file = folder / f"{Path(path).resolve().name}.npy"
        if file in files:
            raise DataError(
                f"systems {files[file]} and {path} would both be written to {file}; give them in "
                "two runs with folders of their own (-o)"
            )
        files[file] = path
    return list(files)
