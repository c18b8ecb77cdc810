"""Frozen models of PyTorch as its files have them, made without PyTorch."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from deepattn.formats.torch.write import _Pickler


class _FrozenPickler(_Pickler):
    """Objects of TorchScript: a mapping with the key ``class`` is one, with attributes."""

    def _put(self, value: Any) -> None:
        if not isinstance(value, dict) or "class" not in value:
            super()._put(value)
            return
        self._parts.append(b"c__torch__." + value["class"].encode() + b"\nModule\n)\x81")
        super()._put({name: part for name, part in value.items() if name != "class"})
        self._parts.append(b"b")


def frozen(section: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A ``.pth`` as ``dp --pt freeze`` writes it.

    Args:
        section: The ``model`` section.
        arrays: Tensors by their dotted names.
    """
    root: dict[str, Any] = {"class": "model", "model_def_script": json.dumps(section)}
    for name, array in arrays.items():
        node = root
        *parts, last = name.split(".")
        for part in parts:
            node = node.setdefault(part, {"class": part, "training": False})
        node[last] = array
    pickler = _FrozenPickler(None)
    pickle = pickler.dump(root)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("frozen/extra/data_modifier.pth", b"")
        for key, numbers in enumerate(pickler.storages):
            archive.writestr(f"frozen/data/{key}", numbers.tobytes())
        archive.writestr("frozen/data.pkl", pickle)
        archive.writestr("frozen/code/__torch__.py", "class Module: pass", zipfile.ZIP_DEFLATED)
        archive.writestr("frozen/version", b"3\n")
    return file.getvalue()


def freeze_checkpoint(content: bytes) -> bytes:
    """The model of a single-task ``.pt`` as a ``.pth``."""
    from deepattn.formats.torch import TorchFile

    model = TorchFile(content, "model.pt").model()
    return frozen(model.section, {name: np.array(model.array(name)) for name in model.tensors})
