"""``deepattn pretrained``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepattn.pretrained import PublishedModel


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "pretrained",
        help="list and download published models",
        description="List published models, or download one. Its name can then be given wherever "
        "a model file is expected. Models are kept in the folder DEEPATTN_CACHE, by default "
        "~/.cache/deepattn.",
        epilog="example: deepattn pretrained download DPA-2.4-7M",
    )
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    action = actions.add_parser("list", help="list the published models")
    _add_json(action)
    action = actions.add_parser("info", help="show source, license, contents, what to cite")
    _add_name(action)
    _add_json(action)
    action = actions.add_parser(
        "download",
        help="download a model, or continue a download; prints the path of the file",
    )
    _add_name(action)
    action.add_argument(
        "--from-file",
        metavar="FILE",
        help="take this copy of the file, for machines without a network; its checksum is verified",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """List, describe or download."""
    _ACTIONS[args.action](args)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="PRETRAINED", help="name of a published model")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def _list(args: argparse.Namespace) -> None:
    from deepattn.pretrained import published_models

    models = published_models()
    if args.json:
        print(json.dumps([_as_dict(model) for model in models], indent=2, ensure_ascii=False))
        return
    rows = [("name", "branches", "size", "file", "license")]
    for model in models:
        size = "" if model.size is None else f"{model.size / 1e6:.1f} MB"
        rows.append(
            (model.name, str(len(model.branches) or ""), size, _state(model), model.license)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _info(args: argparse.Namespace) -> None:
    from deepattn.pretrained.downloads import published

    model = published(args.name)
    facts = _as_dict(model)
    if args.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    facts["size"] = "not known" if model.size is None else f"{model.size:,} bytes"
    facts["sha256"] = model.sha256 or "not known"
    for key in ("elements", "branches"):
        facts[key] = " ".join(facts[key])
    if not model.elements:
        facts["elements"] = f"in the file; see 'deepattn show {model.name} type-map'"
    for key in ("cite", "urls"):
        facts[key] = "\n".join(facts[key])
    facts["downloaded"] = facts["downloaded"] or "no"
    for key, text in facts.items():
        lines = [line for part in text.splitlines() for line in _wrapped(part)]
        for head, line in zip([key, *[""] * len(lines)], lines, strict=False):
            print(f"{head:<13}{line}")


def _download(args: argparse.Namespace) -> None:
    from deepattn.pretrained import download

    print(download(args.name, from_file=args.from_file))


def _as_dict(model: PublishedModel) -> dict[str, Any]:
    from deepattn.pretrained.cache import place_of

    path = place_of(model)
    return {
        **dataclasses.asdict(model),
        "downloaded": str(path) if path.is_file() else None,
    }


def _state(model: PublishedModel) -> str:
    from deepattn.pretrained.cache import place_of

    if place_of(model).is_file():
        return "downloaded"
    return "" if model.urls else "by hand"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 88, break_long_words=False, break_on_hyphens=False)


_ACTIONS = {"list": _list, "info": _info, "download": _download}
