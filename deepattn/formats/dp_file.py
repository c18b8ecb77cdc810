"""Model files that belong to no backend: ``.dp`` (HDF5) and ``.yaml``.

A file holds one tree of mappings, lists and plain values; every value below a key ``@variables``
is an array or null. Reading a file runs nothing of it. See docs/formats.md.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import yaml

from deepattn import limits
from deepattn.errors import ModelFileError
from deepattn.formats.files import write_whole
from deepattn.formats.hdf5 import SIGNATURE, check_heaps

SUFFIXES = (".dp", ".yaml", ".yml")

_VARIABLES = "@variables"
# Exceptions of the libraries for a damaged file.
_DAMAGE = (LookupError, ValueError, TypeError, ArithmeticError, RuntimeError, MemoryError)
_DTYPES = ("float64", "float32", "int64", "int32", "bool")
# libyaml's are ten times as fast; not every build of PyYAML has them.
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(limits.BoundedYaml, _SafeLoader):
    """Without merge keys, by which a short text grows without end; model files have none."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.YAMLError("it has merge keys (<<), which are not allowed in model files")


def read_tree(path: str | os.PathLike) -> dict[str, Any]:
    """Read a file, ``.dp`` or YAML.

    Returns:
        The tree, with NumPy arrays (or ``None``) below ``@variables``.

    Raises:
        ModelFileError: The file is missing or damaged, or larger inside than on the disk.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_tree(content, path)


def parse_tree(content: bytes, path: str | os.PathLike) -> dict[str, Any]:
    """Parse the bytes of a file, which tell HDF5 from YAML.

    Args:
        content: The bytes.
        path: Where they come from, for messages.

    Returns:
        The tree, as `read_tree` returns it.

    Raises:
        ModelFileError: As for `read_tree`.
    """
    parse = _parse_hdf5 if content.startswith(SIGNATURE) else _parse_yaml
    try:
        tree = parse(content)
    except OSError as error:
        reason = error.strerror or "it is damaged, or not of this format"
        raise ModelFileError(f"{path}: cannot be read: {reason}") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelFileError(f"{path}: is not a well-formed model file: {reason}") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("model"), dict):
        raise ModelFileError(f"{path}: contains no model (the mapping 'model' is missing)")
    return tree


def write_tree(path: str | os.PathLike, tree: dict[str, Any]) -> None:
    """Write a tree, ``.dp`` or YAML by the ending; equal trees give equal files.

    Args:
        path: The file; it is written whole or not at all.
        tree: See `read_tree`.
    """
    with write_whole(path) as file:
        _write_tree(file, tree, path)


def encode_tree(tree: dict[str, Any], path: str | os.PathLike) -> bytes:
    """The bytes that `write_tree` writes.

    Args:
        tree: As for `write_tree`.
        path: The file that they are for.
    """
    buffer = io.BytesIO()
    _write_tree(buffer, tree, path)
    return buffer.getvalue()


def _write_tree(file: IO[bytes], tree: dict[str, Any], path: str | os.PathLike) -> None:
    if Path(path).suffix == ".dp":
        _write_hdf5(file, tree)
        return
    plain = _map_arrays(tree, _as_mapping)
    yaml.dump(plain, file, _Dumper, encoding="utf-8", allow_unicode=True, sort_keys=False)


def _parse_hdf5(content: bytes) -> Any:
    import h5py

    check_heaps(content)
    with h5py.File(io.BytesIO(content), "r") as file:
        attribute = file.attrs.get_id("json")
        if attribute.shape != () or not h5py.check_string_dtype(attribute.dtype):
            raise ValueError("the attribute 'json' is not text")
        left = len(content)
        read: dict[str, np.ndarray] = {}

        def array(name: Any) -> np.ndarray:
            nonlocal left
            if isinstance(name, str) and name in read:
                return read[name]
            values = file[name] if isinstance(name, str) else None
            if not isinstance(values, h5py.Dataset) or values.dtype.name not in _DTYPES:
                raise ValueError(f"{name!r} is not a valid array name")
            if values.is_virtual or values.external:
                raise ValueError(f"{name} points to another file")
            left -= values.nbytes
            if left < 0:
                raise ValueError(f"{name} and the arrays before it are larger than the file")
            read[name] = _native(values[()])
            return read[name]

        tree = json.loads(file.attrs["json"], parse_constant=_no_constant)
        limits.check_depth(tree)
        return _map_arrays(tree, array)


def _write_hdf5(file: IO[bytes], tree: dict[str, Any]) -> None:
    import h5py

    # Later formats than the earliest write times, so that equal contents would differ.
    with h5py.File(file, "w", libver=("earliest", "v110")) as target:
        count = 0

        def name(array: Any) -> str:
            nonlocal count
            dataset = target.create_dataset(f"variable_{count:04d}", data=np.asarray(array))
            count += 1
            return dataset.name

        named = _map_arrays(tree, name)
        target.attrs["json"] = json.dumps(named, separators=(",", ":"), allow_nan=False)


def _parse_yaml(content: bytes) -> Any:
    try:
        tree = yaml.load(content, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    return _map_arrays(tree, _from_mapping)


def _map_arrays(value: Any, function: Callable[[Any], Any], *, below: bool = False) -> Any:
    """Copy of a tree with ``function`` applied to every array, or to what stands for one."""
    if isinstance(value, dict) and not (below and "@is_variable" in value):
        return {
            key: _map_arrays(item, function, below=below or key == _VARIABLES)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_map_arrays(item, function, below=below) for item in value]
    return function(value) if below and value is not None else value


def _as_mapping(array: np.ndarray) -> dict[str, Any]:
    array = np.asarray(array)
    return {
        "@class": "np.ndarray",
        "@is_variable": True,
        "@version": 1,
        "dtype": array.dtype.name,
        "value": array.tolist(),
    }


def _from_mapping(value: Any) -> np.ndarray:
    if not isinstance(value, dict) or value.get("@class") != "np.ndarray":
        raise ValueError(f"a value below {_VARIABLES} is not an array")
    if value.get("@version") != 1 or value.get("dtype") not in _DTYPES:
        raise ValueError("an array is of an unknown version or dtype")
    return np.asarray(value["value"], value["dtype"])


def _native(values: Any) -> np.ndarray:
    """The array in the byte order of this machine."""
    array = np.asarray(values)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")
