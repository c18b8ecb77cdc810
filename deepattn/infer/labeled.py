"""Frames of a system as a model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepattn.data import System
from deepattn.infer.deep_pot import DeepPot


def read_frames(
    model: DeepPot, system: System, frames: Sequence[int] | np.ndarray, labels: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read frames with what a model needs of them.

    Args:
        model: tells which parameters it has.
        system: made with the model's type map.
        frames: numbers of the frames.
        labels: which labels to read.

    Returns:
        Arguments by name of `DeepPot.eval` and `DeepPot.eval_descriptor`, and the labels, as of
        `System.frames`.
    """
    inputs, found = system.frames(
        frames, fparam=model.get_dim_fparam(), aparam=model.get_dim_aparam(), labels=labels
    )
    arguments = {
        "coords": inputs["coord"],
        "cells": inputs["box"] if system.periodic else None,
        "atom_types": inputs["atype"],
        "fparam": inputs.get("fparam"),
        "aparam": inputs.get("aparam"),
        "mixed_type": True,
    }
    return arguments, found
