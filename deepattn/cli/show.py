"""``deepattn show``."""

import argparse
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from deepattn.cli.parser import did_you_mean

log = logging.getLogger(__name__)

# Those of `deepattn.infer.inspect`, without its import.
_PARTS = (
    "model-branch",
    *("type-map", "descriptor", "fitting-net", "size", "weights", "type-embedding"),
    "observed-type",
)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "show",
        help="show the contents of a model file",
        description="Show the contents of a model file on standard output.",
        epilog="example: deepattn show frozen_model.pb type-map size --plot elements.png",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="any model file: a frozen graph (.pb may be omitted), a checkpoint, .dp, .yaml, .pt, "
        "…, or the name of a downloaded model",
    )
    parser.add_argument(
        "parts",
        metavar="PART",
        nargs="*",
        type=_part,
        help=f"any of {', '.join(_PARTS)}, before the options (default: type-map, descriptor, "
        "fitting-net and size, for a multi-task model preceded by model-branch)",
    )
    parser.add_argument(
        "--head",
        metavar="BRANCH",
        help="describe only this branch of a multi-task model (default: all branches)",
    )
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw principal components of the type embedding, colored by period",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Show."""
    from deepattn.errors import ConfigError
    from deepattn.infer.branches import Branches

    branches = Branches(args.model, head=args.head)
    if args.plot and len(branches.models) > 1:
        raise ConfigError("--plot is of one type embedding; choose the branch with --head.")
    answers = branches.tell(args.parts)
    if args.json:
        print(json.dumps(answers, indent=2, ensure_ascii=False))
    else:
        _print(branches.several, answers)
    if args.plot:
        (model,) = branches.models.values()
        _plot(model.type_embedding(), args.plot)


def _print(several: bool, answers: dict) -> None:
    for part, answer in answers.items():
        if part == "model-branch":
            print(_branches(answer))
            continue
        for name, one in (answer if several else {"": answer}).items():
            print(_SENTENCES[part](one, f" of branch {name}" if name else ""))


def _part(word: str) -> str:
    # Of positional arguments that may be absent argparse cannot check choices.
    if word not in _PARTS:
        hint = did_you_mean(word, _PARTS)
        raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(_PARTS)}{hint}")
    return word


def _plot(vectors: dict[str, list[float]], picture: str) -> None:
    import numpy as np

    from deepattn.periodic_table import neighbor_score, place
    from deepattn.plots.type_embedding import plot_type_embedding

    log.info("the picture is saved in %s", plot_type_embedding(vectors, picture))
    elements = [symbol for symbol in vectors if place(symbol)]
    score = neighbor_score(np.array([vectors[s] for s in elements]), elements)
    log.info(
        "of %d elements %.0f %% have their nearest neighbor in the embedding beside, above or "
        "below them in the periodic table; with shuffled labels %.0f %%, at most %.0f %%",
        len(elements),
        100 * score.fraction,
        100 * score.shuffled,
        100 * score.shuffled_most,
    )


def _branches(branches: dict[str, dict]) -> str:
    width = max(len(name) for name in branches)
    lines = []
    for name, branch in branches.items():
        notes = "; ".join(f"{key}: {text}" for key, text in _rows(branch["info"]).items())
        aliases = ", ".join(branch["aliases"]) or "-"
        lines.append(f"  {name:<{width}}  {aliases}  {notes}".rstrip())
    return "\n".join(
        [
            f"Available model branches are {[*branches, 'RANDOM']}, where 'RANDOM' means a new "
            "fitting net; their aliases and notes are",
            *lines,
        ]
    )


def _size(sizes: dict[str, int], of: str) -> str:
    lines = [f"  {name:<20}{number:>12,}" for name, number in sizes.items()]
    return "\n".join([f"The size{of} is", *lines])


def _weights(rows: list[dict], of: str) -> str:
    width = max((len(row["name"]) for row in rows), default=0)
    lines = [
        f"  {row['name']:<{width}}  {'×'.join(map(str, row['shape'])) or 'scalar':>10}  "
        f"{row['dtype']:<8}  rms {row['rms']:<9.3g}  from {row['min']:<9.3g} to {row['max']:.3g}"
        for row in rows
    ]
    return "\n".join([f"The weights{of} are", *lines])


def _type_embedding(vectors: dict[str, list[float]], of: str) -> str:
    lines = [f"  {name:<3}" + "".join(f"{x:>10.4f}" for x in row) for name, row in vectors.items()]
    return "\n".join([f"The type embedding{of} is", *lines])


def _observed_type(names: list[str], of: str) -> str:
    return f"The number of observed types{of} is {len(names)}\nThe observed types{of} are {names}"


def _section(title: str, section: dict, of: str) -> str:
    rows = _rows(section)
    width = max(map(len, rows), default=0)
    lines = [f"  {key:<{width}}  {value}".rstrip() for key, value in rows.items()]
    return "\n".join([f"The {title}{of} is", *lines])


def _rows(section: dict) -> dict[str, str]:
    """Values by the paths of their keys, as an input file would have them."""
    from deepattn.config.section import flat

    return {
        path: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for path, value in flat(section).items()
    }


_SENTENCES: dict[str, Callable[[Any, str], str]] = {
    "type-map": "The type_map{1} is {0}".format,  # in DeePMD-kit's words
    "descriptor": partial(_section, "descriptor"),
    "fitting-net": partial(_section, "fitting net"),
    "size": _size,
    "weights": _weights,
    "type-embedding": _type_embedding,
    "observed-type": _observed_type,
}
