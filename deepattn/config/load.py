"""Reading an input file: JSON or YAML, chosen by the suffix."""

import json
import os
import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from deepattn import limits
from deepattn.config.values import check_values
from deepattn.errors import ConfigError


def load_input(path: str | os.PathLike) -> dict[str, Any]:
    """Read an input file and remove its comments, the keys that start with ``_``.

    Args:
        path: A file ending in ``.json``, ``.yaml`` or ``.yml``.

    Raises:
        ConfigError: The suffix is another, the file cannot be read, is not valid JSON or YAML (the
            message gives line and column), gives a key twice, is not a mapping of sections, or
            holds a value that `check_values` refuses.
    """
    path = Path(path)
    parsers = {".json": _parse_json, ".yaml": _parse_yaml, ".yml": _parse_yaml}
    if path.suffix not in parsers:
        raise ConfigError(f"{path}: an input file must end in .json, .yaml or .yml.")
    largest = limits.JSON_BYTES if path.suffix == ".json" else limits.YAML_BYTES
    try:
        text = limits.read_bytes(path, largest).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8."
        ) from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}.") from None
    try:
        data = parsers[path.suffix](text)
        limits.check_depth(data)
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply to be an input file.") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {str(error).rstrip('.')}.") from None
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path}: must contain a mapping with sections such as model and training, not "
            f"{_kind(data)}."
        )
    data = without_comments(data)
    try:
        check_values(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return data


def without_comments(value: Any) -> Any:
    """Copy of a tree of dictionaries and lists without the keys that start with ``_``."""
    if isinstance(value, dict):
        return {k: without_comments(v) for k, v in value.items() if not _is_comment(k)}
    if isinstance(value, list):
        return [without_comments(v) for v in value]
    return value


def _is_comment(key: Any) -> bool:
    return isinstance(key, str) and key.startswith("_")


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _parse_json(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_int=lambda number: int(limits.check_number(number)),
        )
    except json.JSONDecodeError as error:
        raise ValueError(
            f"is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result and not _is_comment(key):
            raise ValueError(f"has the key {key!r} twice in one section; keep one of them.")
        result[key] = value
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"contains {name}, which is not valid JSON; use a finite number.")


def _parse_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"is not valid YAML: {error.problem or error.context}{where}.") from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(f"is not valid YAML: {reason}.") from None


class _Loader(limits.BoundedYaml, yaml.SafeLoader):
    """YAML without repeated keys, with 1e-3 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key, str) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key in seen and not _is_comment(key):
                mark = key_node.start_mark
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} is given twice", problem_mark=mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 1e-3 as text because it has no point; every other tool reads a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
