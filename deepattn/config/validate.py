"""Checking a tree of keys against the schema: every key known, every value of its type."""

import difflib
import math
import types
from typing import Any, Union, get_args, get_origin

from dargs import Argument, Variant

from deepattn.config.argument import Internal, Refused
from deepattn.errors import ConfigError, show

_KINDS = {
    bool: "true or false",
    int: "an integer",
    float: "a finite number",
    str: "a string",
    dict: "a mapping",
    list: "a list",
    type(None): "null",
}
_KINDS_IN_A_LIST = {
    bool: "true or false",
    int: "integers",
    float: "finite numbers",
    str: "strings",
    type(None): "nulls",
}


def validate_section(argument: Argument, data: Any, path: str) -> dict[str, Any]:
    """Copy of a section with canonical names, numbers converted, and refused keys dropped.

    Args:
        argument: Schema of the section.
        data: The user's value.
        path: Where it is, such as ``model/descriptor``; empty for the whole input.

    Raises:
        ConfigError: A key is unknown, missing, given twice (under an alias) or not supported, or a
            value has the wrong type; the message gives the key's path.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{path or 'the input'} is {show(data)}; it must be a mapping of keys.")
    fields = _fields(argument, data, path)
    names = {alias: name for name, field in fields.items() for alias in field.alias}
    result: dict[str, Any] = {}
    for key, value in data.items():
        if key == "$schema" or (isinstance(key, str) and key.startswith("_")):
            continue
        name = names.get(key, key)
        where = _join(path, key)
        if name not in fields:
            raise ConfigError(_unknown(where, path, key, [*fields, *names]))
        if name in result:
            raise ConfigError(f"{where} repeats {_join(path, name)}; keep one of them.")
        field = fields[name]
        if isinstance(field, Refused):
            _refuse(field, value, where)
        else:
            result[name] = _value(field, value, where)
    for variant in argument.sub_variants.values():
        if variant.flag_name in result:
            tag = result[variant.flag_name]
            result[variant.flag_name] = variant.choice_alias.get(tag, tag)
    for name, field in fields.items():
        if not field.optional and name not in result:
            raise ConfigError(f"{_join(path, name)} is required{_meaning(field)}")
    return result


def _fields(argument: Argument, data: dict[str, Any], path: str) -> dict[str, Argument]:
    """The keys a section may have, given the variants that it chooses."""
    fields = dict(argument.sub_fields)
    for variant in argument.sub_variants.values():
        fields[variant.flag_name] = variant.dummy_argument()
        choice = variant.choice_dict[_tag(variant, data, path)]
        fields.update(choice.flatten_sub({}))
    return fields


def _tag(variant: Variant, data: dict[str, Any], path: str) -> str:
    where = _join(path, variant.flag_name)
    offered = [name for name, one in variant.choice_dict.items() if not isinstance(one, Internal)]
    known = [*offered, *variant.choice_alias]
    if variant.flag_name not in data:
        if variant.optional:
            return variant.default_tag
        raise ConfigError(f"{where} is required; give one of {', '.join(known)}.")
    tag = data[variant.flag_name]
    if not isinstance(tag, str) or tag not in (*known, *variant.choice_dict):
        raise ConfigError(f"{where} is {show(tag)}, which is not supported; use {_either(known)}.")
    return variant.choice_alias.get(tag, tag)


def _value(field: Argument, value: Any, where: str) -> Any:
    if field.repeat and isinstance(value, list):
        return [validate_section(field, part, f"{where}/{k}") for k, part in enumerate(value)]
    if isinstance(value, dict) and (field.sub_fields or field.sub_variants) and not field.repeat:
        return validate_section(field, value, where)
    for dtype in field.dtype:
        try:
            return _convert(value, dtype)
        except TypeError:
            continue
    kinds = [_kind(dtype) for dtype in sorted(field.dtype, key=str)]
    raise ConfigError(f"{where} is {show(value)}; it must be {_either(kinds)}.")


def _convert(value: Any, dtype: Any) -> Any:
    """The value as the type has it; TypeError if it is none of that type."""
    origin = get_origin(dtype)
    if origin in (Union, types.UnionType):
        none = value is None and type(None) in get_args(dtype)
        return None if none else _convert(value, get_args(dtype)[0])
    if origin is list:
        if not isinstance(value, list):
            raise TypeError
        return [_convert(item, get_args(dtype)[0]) for item in value]
    if dtype is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        try:
            number = float(value)
        except OverflowError:
            raise TypeError from None
        if not math.isfinite(number):
            raise TypeError
        return number
    if not isinstance(value, dtype) or (dtype is int and isinstance(value, bool)):
        raise TypeError
    return value


def _kind(dtype: Any) -> str:
    if get_origin(dtype) is list:
        return f"a list of {_kind_in_a_list(get_args(dtype)[0])}"
    return _KINDS[dtype]


def _kind_in_a_list(dtype: Any) -> str:
    origin = get_origin(dtype)
    if origin is list:
        return f"lists of {_kind_in_a_list(get_args(dtype)[0])}"
    if origin in (Union, types.UnionType):
        return _either([_kind_in_a_list(part) for part in get_args(dtype)])
    return _KINDS_IN_A_LIST[dtype]


def _refuse(field: Refused, value: Any, where: str) -> None:
    if not field.accepts(value):
        hint = f"; {field.hint}" if field.hint else ""
        raise ConfigError(f"{where} = {show(value)} is not supported{hint}.")


def _unknown(where: str, path: str, key: Any, known: list[str]) -> str:
    near = difflib.get_close_matches(str(key), known, n=1)
    advice = f"did you mean {_join(path, near[0])}?" if near else "remove it."
    return f"{where} is not a key of the input; {advice}"


def _meaning(field: Argument) -> str:
    first = (field.doc or "").split(".")[0].strip()
    return f": {first[0].lower()}{first[1:]}." if first else "."


def _join(path: str, key: Any) -> str:
    name = key if isinstance(key, str) and key.isprintable() else show(key)
    return f"{path}/{name}" if path else name


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
