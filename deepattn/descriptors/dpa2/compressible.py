"""Conditions for replacing the embedding net of the first block by a table."""

from __future__ import annotations

from deepattn.descriptors.smooth_edition.compressible import DISTILL
from deepattn.errors import ConfigError


def check_tables(tebd_input_mode: str, *, fast: bool) -> None:
    """Refuse what cannot be written with a table.

    Args:
        tebd_input_mode: Key of ``repinit``.
        fast: Whether a fast graph is wanted.

    Raises:
        ConfigError: Types enter the net, so that it is no function of one number; there are no
            graphs of the descriptor.
    """
    if fast:
        raise ConfigError(
            "models with the descriptor dpa2 have no graphs, which alone can be fast; omit --fast"
        )
    if tebd_input_mode != "strip":
        raise ConfigError(
            f"the model has tebd_input_mode {tebd_input_mode} in repinit, but a table needs "
            f"tebd_input_mode strip, where types do not enter the net of distances; train with "
            f"strip, use the model as it is, or {DISTILL}"
        )
