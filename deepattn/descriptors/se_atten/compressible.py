"""Conditions for replacing embedding nets by tables."""

from __future__ import annotations

from typing import Protocol

from deepattn.descriptors.smooth_edition.compressible import DISTILL
from deepattn.errors import ConfigError


class _SeAtten(Protocol):
    @property
    def attn_layer(self) -> int: ...

    @property
    def tebd_input_mode(self) -> str: ...


def check_tables(descriptor: _SeAtten, *, fast: bool) -> None:
    """Refuse a descriptor whose nets DeePMD-kit cannot replace by tables.

    Args:
        descriptor: Configuration or layer of ``se_atten``.
        fast: Whether the graph may have operations of deepattn's own, which can.

    Raises:
        ConfigError: It has attention, or concatenates type embeddings.
    """
    if fast:
        return
    for name, value, needed in (
        ("attn_layer", descriptor.attn_layer, 0),
        ("tebd_input_mode", descriptor.tebd_input_mode, "strip"),
    ):
        if value != needed:
            raise ConfigError(
                f"the model has {name} {value}, but DeePMD-kit's compressed graphs need "
                f"{name} {needed}; compress it to a fast graph (--fast), which needs "
                f"deepattn's library at run time, or {DISTILL}"
            )
