"""Which models can have tables instead of their embedding nets."""

from __future__ import annotations

from typing import Protocol

from deepattn.errors import ConfigError

DISTILL = "distill it into a model that can be compressed (docs/distillation.md)"
NOT_AGAIN = f"the model is compressed already; take the one it was made from, or {DISTILL}"


class _SeAtten(Protocol):
    @property
    def attn_layer(self) -> int: ...

    @property
    def tebd_input_mode(self) -> str: ...


def check_tables(descriptor: _SeAtten, *, fast: bool) -> None:
    """Refuse a descriptor whose nets DeePMD-kit cannot replace by tables.

    Args:
        descriptor: configuration or layer of ``se_atten``.
        fast: whether the graph may have operations of deepattn's own, which can.

    Raises:
        ConfigError: it has attention, or concatenates type embeddings.
    """
    if fast:
        return
    for name, value, needed in (
        ("attn_layer", descriptor.attn_layer, 0),
        ("tebd_input_mode", descriptor.tebd_input_mode, "strip"),
    ):
        if value != needed:
            raise ConfigError(
                f"the model has {name} {value}, and the tables of DeePMD-kit's compressed graphs "
                f"are for {name} {needed}; compress it to a fast graph (--fast), which needs "
                f"deepattn's library at run time, or {DISTILL}"
            )
