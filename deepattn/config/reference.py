"""Writes docs/input.md, the page of every key, from the schema.

python -m deepattn.config.reference > docs/input.md
"""

from collections.abc import Iterator
from typing import Any, TypeGuard, get_args, get_origin

from dargs import Argument, Variant

from deepattn.config.argument import Internal, Moved, OfTasks, Refused
from deepattn.config.tree import input_schema
from deepattn.registry import resolve

_HEAD = """# Input file

Written from the schema by `python -m deepattn.config.reference > docs/input.md`.

An input is JSON (`.json`) or YAML (`.yaml`, `.yml`), as DeePMD-kit reads it. Keys that start with
`_` are comments. An unknown key is an error. So is a key of DeePMD-kit that is not supported here,
unless its value is what deepattn does anyway. Inputs of DeePMD-kit 0.x and 1.x are converted.
Relative paths start from the working directory. Multi-task inputs have further keys
(`model/model_dict` and others, docs/multi-task.md).

`deepattn doc-train-input --out-type json_schema > input.schema.json` writes a JSON schema,
by which editors check and complete an input while you type (VS Code: the setting `json.schemas`).
The section `distill` is only for [`deepattn distill`](distillation.md), `learn` for
[`deepattn learn`](learn.md).
"""
# Sections that one command reads: by name the class and its description.
_OF_COMMANDS = {
    "distill": (
        "deepattn.distill.config:DistillConfig",
        "Settings of `deepattn distill`. The other sections describe the student; each may be left "
        "out.",
    ),
    "learn": (
        "deepattn.learn.config:LearnConfig",
        "Settings of `deepattn learn`. The other sections describe the model; each may be left "
        "out.",
    ),
}
_KINDS = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dict: "mapping",
}
_REFUSED = """## Keys of DeePMD-kit that are not supported

They are accepted with the value given here; any other value is an error.

| key | value | |
|---|---|---|"""


def reference() -> str:
    """The page, in Markdown."""
    blocks = [_HEAD]
    refused: list[str] = []
    sections = list(_sections(input_schema(), "", ""))
    for name, (reference, doc) in _OF_COMMANDS.items():
        sections += _sections(resolve(reference).schema(name, doc=doc), name, "")
    for path, kind, doc, fields in sections:
        rows = [_row(field) for field in fields if not isinstance(field, Refused)]
        refused += [_refused_row(path, field) for field in fields if _is_refused(field)]
        if rows:
            title = f"## `{path}`{kind}\n\n{doc}\n\n" if path else ""
            table = "\n".join(["| key | type | default | |", "|---|---|---|---|", *rows])
            blocks.append(f"{title}{table}\n")
    return "\n".join([*blocks, "\n".join([_REFUSED, *dict.fromkeys(refused)]), ""])


def _sections(
    section: Argument, path: str, kind: str
) -> Iterator[tuple[str, str, str, list[Argument]]]:
    """Path, chosen type, description and keys of a section and of all below it."""
    fields = list(section.sub_fields.values())
    choices: list[tuple[str, Argument]] = []
    for variant in section.sub_variants.values():
        shared = _shared(list(variant.choice_dict.values()))
        fields = [_flag(variant), *fields, *shared.values()]
        for tag, choice in variant.choice_dict.items():
            if isinstance(choice, Internal):
                continue
            own = [
                field
                for name, field in choice.sub_fields.items()
                if name not in shared and not isinstance(field, Internal)
            ]
            choices.append(
                (f", {variant.flag_name} `{tag}`", Argument(tag, dict, own, doc=choice.doc))
            )
    yield path, kind, section.doc, fields
    for field in fields:
        if (field.sub_fields or field.sub_variants) and not field.fold_subdoc:
            yield from _sections(field, f"{path}/{field.name}" if path else field.name, "")
    for name, choice in choices:
        yield from _sections(choice, path, name)


def _shared(choices: list[Argument]) -> dict[str, Argument]:
    """The keys that all types of a section have with one meaning."""
    first, *others = (choice.sub_fields for choice in choices)
    return {
        name: field
        for name, field in first.items()
        if not isinstance(field, Refused)
        and all(name in other and _same(other[name], field) for other in others)
    }


def _same(one: Argument, other: Argument) -> bool:
    return not isinstance(one, Refused) and _row(one) == _row(other)


def _flag(variant: Variant) -> Argument:
    """The key that chooses a variant."""
    tags = [
        " or ".join(f"`{name}`" for name in (tag, *choice.alias))
        for tag, choice in variant.choice_dict.items()
        if not isinstance(choice, Internal)
    ]
    flag = variant.dummy_argument()
    flag.doc = f"{variant.doc[:-1]}: {', '.join(tags)}."
    return flag


def _row(field: Argument) -> str:
    alias = f" ({', '.join(f'`{name}`' for name in field.alias)})" if field.alias else ""
    if field.sub_fields or field.sub_variants:
        kinds = "list of sections" if field.repeat else "section"
    else:
        kinds = _kinds(field.dtype)
    default = _default(field)
    return f"| `{field.name}`{alias} | {kinds} | {default} | {field.doc} |"


def _default(field: Argument) -> str:
    if not field.optional or isinstance(field, Moved):
        return "**required**"
    if field.sub_fields or field.sub_variants:
        return "may be left out"
    return _code(field.default)


def _is_refused(field: Argument) -> TypeGuard[Refused]:
    return isinstance(field, Refused) and not isinstance(field, OfTasks)


def _refused_row(path: str, field: Refused) -> str:
    where = f"{path}/{field.name}" if path else field.name
    value = "unset" if field.accepted[0] is None else _code(field.accepted[0])
    return f"| `{where}` | {value} | {field.hint} |"


def _code(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return f"`{str(value).lower().replace('none', 'null')}`"
    return f"`{value}`"


def _kinds(dtypes: tuple) -> str:
    return ", ".join(sorted(map(_kind, dtypes)))


def _kind(dtype: Any) -> str:
    if get_origin(dtype) is list:
        return f"list of {_kind(get_args(dtype)[0])}"
    if get_args(dtype):
        return " or ".join(map(_kind, get_args(dtype)))
    return _KINDS[dtype]


if __name__ == "__main__":
    print(reference(), end="")
