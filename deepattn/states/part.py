"""What translates a descriptor or a fitting of PyTorch's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepattn.states.rules import Arrays, Rule
from deepattn.trees.node import Node

# The energies, say, that are added for the elements: those of the fitting.
FITTING_BIAS = "fitting_net.bias_atom_e"


@dataclass(frozen=True)
class OutputOfState:
    """Statistics of the labels in PyTorch's files.

    Attributes:
        fitting_bias: The bias of the fitting, ``[ntypes, outputs of its nets]``, in the precision
            of its nets.
        bias: That of the model's output, ``[1, ntypes, width]``, or None.
        std: Its standard deviation, ``[1, ntypes, width]``, or None.
    """

    fitting_bias: np.ndarray
    bias: np.ndarray | None
    std: np.ndarray | None


@dataclass(frozen=True)
class StateFormat:
    """A kind of descriptor or fitting in PyTorch's files.

    Attributes:
        types: What ``model_params`` has for its ``type``.
        read: Takes the node of its section; returns model sections by their names here.
        rules: Takes the typed model section; returns the rules for the names of the weights.
        ignored: Regular expressions of names of tensors that hold nothing that is needed.
        finish: Takes the typed model section and the weights; removes those that the model has no
            place for, and returns why the model is not supported, or None.
        empty: Takes the typed model section; returns names of tensors without numbers that
            PyTorch's modules expect.
        complete: Takes the typed model section and the tensors by their names there; adds those
            that PyTorch's modules have and a model here has not.
        own: Of a fitting the names of the weights that follow from the model's output.
        with_output: Of a fitting, takes the typed model section and the `OutputOfState`; returns
            these weights. Raises ValueError if they are not supported.
        output: Of a fitting, the reverse: takes the typed model section and the weights.
    """

    types: tuple[str, ...]
    read: Callable[[Node], dict[str, Any]]
    rules: Callable[[Any], Sequence[Rule]]
    ignored: tuple[str, ...] = ()
    finish: Callable[[Any, Arrays], str | None] = lambda model, arrays: None
    empty: Callable[[Any], Sequence[str]] = lambda model: ()
    complete: Callable[[Any, Arrays], None] = lambda model, state: None
    own: tuple[str, ...] = ()
    with_output: Callable[[Any, OutputOfState], Arrays] = lambda model, found: {}
    output: Callable[[Any, Arrays], OutputOfState] | None = None
