"""Frames of a system as a model takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepattn.config.observable import Label
from deepattn.data import System
from deepattn.infer.deep_eval import DeepEval
from deepattn.infer.frames import Frames, as_frames


def read_frames(
    model: DeepEval,
    system: System,
    frames: Sequence[int] | np.ndarray,
    labels: Sequence[str | Label] = (),
) -> tuple[Frames, dict[str, np.ndarray]]:
    """Read frames with the parameters that a model needs.

    Args:
        model: the model.
        system: a system, opened with the model's type map.
        frames: numbers of the frames.
        labels: which labels to read.

    Returns:
        The frames for `DeepPot.evaluate` and `DeepPot.evaluate_descriptor`, and the labels as
        `System.frames` returns them.
    """
    inputs, found = system.frames(
        frames,
        fparam=model.get_dim_fparam(),
        default_fparam=model.get_default_fparam(),
        aparam=model.get_dim_aparam(),
        spin=model.has_spin,
        labels=labels,
    )
    checked = as_frames(
        inputs["coord"],
        inputs["box"] if system.periodic else None,
        inputs["atype"],
        fparam=inputs.get("fparam"),
        aparam=inputs.get("aparam"),
        mixed_type=True,
        ntypes=model.get_ntypes(),
        dim_fparam=model.get_dim_fparam(),
        dim_aparam=model.get_dim_aparam(),
        spin=inputs.get("spin"),
        has_spin=model.has_spin,
    )
    return checked, found
