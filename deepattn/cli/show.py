"""``deepattn show``."""

import argparse
import json
import logging

log = logging.getLogger(__name__)

# Those of `deepattn.infer.inspect`, which is slow to import.
_PARTS = ("type-map", "descriptor", "fitting-net", "size", "weights", "type-embedding")


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "show",
        help="tell what a model file holds",
        description="Tell what a model file holds. The answers go to standard output.",
        epilog="example: deepattn show frozen_model.pb type-map size --plot elements.png",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a frozen model (.pb may be left out), a .dp or .yaml file, or a checkpoint",
    )
    parser.add_argument(
        "parts",
        metavar="PART",
        nargs="*",
        type=_part,
        help=f"any of {', '.join(_PARTS)}, before the options (default: the first four)",
    )
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw principal components of the type embedding, coloured by period",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Show."""
    from deepattn.infer.inspect import Inspection

    model = Inspection(args.model)
    answers = model.tell(args.parts)
    if args.json:
        print(json.dumps(answers, indent=2, ensure_ascii=False))
    else:
        for part, answer in answers.items():
            print(_SENTENCES[part](answer))
    if args.plot:
        _plot(answers.get("type-embedding") or model.type_embedding(), args.plot)


def _part(word: str) -> str:
    # Of positional arguments that may be absent argparse cannot check choices.
    if word not in _PARTS:
        raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(_PARTS)}")
    return word


def _plot(vectors: dict[str, list[float]], picture: str) -> None:
    import numpy as np

    from deepattn.periodic_table import neighbor_score, place
    from deepattn.plots.type_embedding import plot_type_embedding

    log.info("the picture is saved in %s", plot_type_embedding(vectors, picture))
    elements = [symbol for symbol in vectors if place(symbol)]
    score = neighbor_score(np.array([vectors[s] for s in elements]), elements)
    log.info(
        "of %d elements %.0f %% have their nearest neighbour in the embedding beside, above or "
        "below them in the periodic table; with shuffled labels %.0f %%, at most %.0f %%",
        len(elements),
        100 * score.fraction,
        100 * score.shuffled,
        100 * score.shuffled_most,
    )


def _size(sizes: dict[str, int]) -> str:
    lines = [f"  {name:<20}{number:>12,}" for name, number in sizes.items()]
    return "\n".join(["The size is", *lines])


def _weights(rows: list[dict]) -> str:
    width = max((len(row["name"]) for row in rows), default=0)
    lines = [
        f"  {row['name']:<{width}}  {'×'.join(map(str, row['shape'])) or 'scalar':>10}  "
        f"{row['dtype']:<8}  rms {row['rms']:<9.3g}  from {row['min']:<9.3g} to {row['max']:.3g}"
        for row in rows
    ]
    return "\n".join(["The weights are", *lines])


def _type_embedding(vectors: dict[str, list[float]]) -> str:
    lines = [f"  {name:<3}" + "".join(f"{x:>10.4f}" for x in row) for name, row in vectors.items()]
    return "\n".join(["The type embedding is", *lines])


# The first three in DeePMD-kit's words.
_SENTENCES = {
    "type-map": "The type_map is {}".format,
    "descriptor": "The descriptor parameter is {}".format,
    "fitting-net": "The fitting_net parameter is {}".format,
    "size": _size,
    "weights": _weights,
    "type-embedding": _type_embedding,
}
