"""Finding, checking and loading the compiled op libraries, once a process."""

import contextlib
import contextvars
import ctypes
import functools
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from deepattn.ops import (
    attention_gradients,
    embedded_sums_gradients,
    gradients,
    invariants_gradients,
    neighbor_sums_gradients,
    pair_attention_gradients,
    pair_embedding_gradients,
    product_gradients,
    smooth_potential_gradients,
    tabulated_gradients,
)
from deepattn.ops.build_units import COMPAT, KERNELS, OWN, minor_version, op_library

logger = logging.getLogger(__name__)

_warned: list[str] = []
_portable = contextvars.ContextVar("portable", default=False)
_plain = contextvars.ContextVar("plain", default=False)


def library() -> str | None:
    """Path of the library that holds DeePMD's ops, loaded now if it was not; None without one."""
    return _path(COMPAT) if compat_ops() is not None else None


def fast_library() -> str | None:
    """Path of the library that holds the ops of our own names, likewise."""
    return _path(OWN) if _own_ops() is not None else None


def built_with_cuda() -> bool:
    """Whether the libraries have kernels for GPUs too."""
    return "sources" in (_build_info(_builder().LIB_DIR) or {}).get("cuda", {})


def compat_ops() -> ModuleType | None:
    """The ops under DeePMD's names; None if not available, or inside `plain`."""
    return None if _plain.get() else _compat_ops()


@functools.cache
def _compat_ops() -> ModuleType | None:
    if op_def_registry.get("ProdForceSeA") is not None:
        logger.warning(
            "DeePMD-kit's own ops are loaded in this process, so deepattn computes with plain "
            "TensorFlow ops, which is slower: do not import deepmd and deepattn together."
        )
        return None
    module = _load(COMPAT)
    if module is not None:
        gradients.register(module)
        tabulated_gradients.register_stock(module)
    return module


def own_ops() -> ModuleType | None:
    """The ops under names of our own; None if not available, or inside `portable` or `plain`."""
    return None if _portable.get() or _plain.get() else _own_ops()


def cpu_ops() -> ModuleType | None:
    """Those of `own_ops` that have kernels for processors only; None also where there is a GPU."""
    return None if tf.config.get_visible_devices("GPU") else own_ops()


@functools.cache
def _own_ops() -> ModuleType | None:
    module = _load(OWN)
    if module is not None:
        attention_gradients.register(module)
        embedded_sums_gradients.register(module)
        invariants_gradients.register(module)
        neighbor_sums_gradients.register(module)
        pair_attention_gradients.register(module)
        pair_embedding_gradients.register(module)
        product_gradients.register(module)
        smooth_potential_gradients.register(module)
        tabulated_gradients.register_own(module)
    return module


def instruction_set() -> str | None:
    """The best that the kernels were compiled for and this processor has; None without kernels."""
    if fast_library() is None:
        return None
    use = ctypes.CDLL(str(_builder().LIB_DIR / KERNELS)).deepattn_use_instruction_set
    use.argtypes = [ctypes.c_char_p]
    found = next(name for name in ("avx512", "avx2", "generic") if use(name.encode()))
    use(None)
    return found


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Inside, graphs are built of ops that a stock DeePMD-kit has: none of our own names."""
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Inside, graphs have TensorFlow's own ops only: reference implementations replace ours."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def _builder() -> ModuleType:
    """The module ``deepattn.ops.build``, imported late: ``python -m`` wants to be its first."""
    from deepattn.ops import build

    return build


def _path(name: str) -> str:
    """The library `name` of ops, for the TensorFlow that is installed."""
    return str(_builder().LIB_DIR / op_library(name, tf.__version__))


@functools.cache
def _build_info(folder: Path) -> dict[str, Any] | None:
    """What the libraries in `folder` were built from; None if there are none."""
    try:
        info = json.loads((folder / _builder().INFO_NAME).read_text())
        return {**info, "tensorflow": dict(info["tensorflow"]), "sources": info["sources"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


@functools.cache
def _mismatch(folder: Path) -> str | None:
    """Why the libraries in `folder` cannot be used, or None if they can."""
    builder = _builder()
    info = _build_info(folder)
    if info is None:
        return "are not built"
    built_for, built_from = info["tensorflow"], info["sources"]
    if minor_version(tf.__version__) not in built_for:
        versions = ", ".join(built_for.values())
        return f"were built for TensorFlow {versions}, but {tf.__version__} is installed"
    source, cuda = builder.source_dir(), info.get("cuda", {})
    digests = [(built_from, builder.source_digest(source))]
    if "sources" in cuda:
        digests.append((cuda["sources"], builder.build_cuda.cuda_digest(source)))
    if any(built != now for built, now in digests):
        return "are older than their sources"
    return None


def _warn(problem: str) -> None:
    """Says once a process how to get the compiled ops back."""
    if _warned:
        return
    _warned.append(problem)
    logger.warning(
        "The compiled ops %s; plain TensorFlow ops are used instead, which is slower. Rebuild "
        "with: %s",
        problem,
        _builder().COMMAND,
    )


def _load(name: str) -> ModuleType | None:
    folder = _builder().LIB_DIR
    problem = _mismatch(folder)
    if problem is None:
        try:
            return tf.load_op_library(_path(name))
        except (tf.errors.OpError, RuntimeError) as error:
            problem = "cannot be loaded (" + str(error).splitlines()[0] + ")"
    _warn(problem)
    return None
