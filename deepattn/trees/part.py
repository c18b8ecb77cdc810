"""Readers and writers of descriptors and fittings in a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.trees.embedding import Arrays
from deepattn.trees.node import Node


@dataclass(frozen=True)
class DescriptorFormat:
    """A kind of descriptor in a tree.

    Attributes:
        types: Values of ``type`` in a tree.
        read: Takes the node and the type map; returns model sections, ``descriptor`` among them,
            and the weights by name.
        write: Takes the descriptor section, the model section and the weights; returns the tree.
        arguments: Sections of an input that have other names in a tree.
    """

    types: tuple[str, ...]
    read: Callable[[Node, Sequence[str]], tuple[dict[str, Any], Arrays]]
    write: Callable[[Any, ModelConfig, Mapping[str, np.ndarray]], dict[str, Any]]
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FittingFormat:
    """A kind of fitting in a tree.

    Attributes:
        types: Values of ``type`` in a tree.
        read: Takes the node, the type map, and whether one net serves all types; returns the
            section ``fitting_net``, the weights by name, and whether layers have all residual
            connections that their widths allow, None where that makes no difference.
        write: Takes the section, the model section and the weights; returns the tree.
        width: Takes the section as a mapping; returns how many numbers an atom has.
        with_output: Takes the section as a mapping, the weights, and bias and standard deviation
            of the model's output, ``[ntypes, width]``; returns the weights with these.
        output: Takes the section, the model section and the weights; returns bias and standard
            deviation of the output; None where the tree of the fitting has all.
        arguments: Keys of an input that have other names in a tree.
        input_keys: Takes the section; returns keys of an input that a tree has as arrays.
    """

    types: tuple[str, ...]
    read: Callable[..., tuple[dict[str, Any], Arrays, bool | None]]
    write: Callable[[Any, ModelConfig, Mapping[str, np.ndarray]], dict[str, Any]]
    width: Callable[[Mapping[str, Any]], int] = lambda section: 1
    with_output: Callable[[Mapping[str, Any], Arrays, np.ndarray, np.ndarray], Arrays] = (
        lambda section, arrays, bias, std: arrays
    )
    output: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    input_keys: Callable[[Any], dict[str, Any]] = lambda section: {}
