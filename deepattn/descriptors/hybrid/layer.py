"""Several descriptors side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.descriptors.hybrid.config import HybridConfig
from deepattn.formats.weight_names import of_part
from deepattn.layers.descriptor import Descriptor, Features
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.environment import SLOT_WIDTHS, Environment
from deepattn.registry import resolve

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class Hybrid(Descriptor):
    """Concatenation of descriptors, each with neighbors and a cutoff radius of its own.

    The slots of its environment are those of all descriptors, one after the other, so that a
    neighbor of several of them has several slots.

    Args:
        parts: The descriptors.

    Call arguments: see `Descriptor`; all descriptors get the one ``type_embedding``.

    Output shape: ``[nframes, nloc, sum of their widths]``.

    Raises:
        ValueError: There are none, or they differ in types or precision.
    """

    def __init__(self, parts: Sequence[Descriptor], **kwargs: Any):
        if not parts:
            raise ValueError("parts must have one descriptor at least")
        for name in ("ntypes", "interface_dtype"):
            if len({getattr(part, name) for part in parts}) > 1:
                raise ValueError(f"all parts of a hybrid must have the same {name}")
        longest = max(parts, key=lambda part: part.rcut)
        super().__init__(
            longest.ntypes,
            rcut=longest.rcut,
            rcut_smth=longest.rcut_smth,
            sel=longest.sel,
            interface_dtype=longest.interface_dtype,
            **kwargs,
        )
        self.parts = list(parts)

    @classmethod
    def from_section(
        cls, section: HybridConfig, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        parts = [
            resolve(part.layer).from_section(
                part, model, tebd_dim=tebd_dim, interface_dtype=interface_dtype
            )
            for part in section.list
        ]
        return cls(parts, name="descriptor")

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    @property
    def longest_slots(self) -> slice:
        # Of several with the largest cutoff the first, as in DeePMD-kit.
        longest = int(np.argmax([part.rcut for part in self.parts]))
        start = sum(part.nnei for part in self.parts[:longest])
        return slice(start, start + self.parts[longest].nnei)

    @property
    def equivariant_width(self) -> int:
        return sum(part.equivariant_width for part in self.parts)

    @property
    def nnei(self) -> int:
        return sum(part.nnei for part in self.parts)

    @property
    def block(self) -> int:
        return min(part.block for part in self.parts)

    def build(self, *_: object) -> None:
        for part in self.parts:
            if not part.built:
                part.build()

    def search(
        self, coord: tf.Tensor, atype: tf.Tensor, natoms: tf.Tensor, box: tf.Tensor, mesh: tf.Tensor
    ) -> Environment:
        found = [part.search(coord, atype, natoms, box, mesh) for part in self.parts]
        return self._joined(found, tf.shape(coord)[0], natoms[0])

    def moved(self, environment: Environment, atype: tf.Tensor, rij: tf.Tensor) -> Environment:
        vectors = [own.rij for own in self._split(environment._replace(rij=rij), atype)]
        found = [
            part.moved(own, atype, at)
            for part, own, at in zip(
                self.parts, self._split(environment, atype), vectors, strict=True
            )
        ]
        return self._joined(found, *tf.unstack(tf.shape(atype)))

    def without_pairs(
        self, environment: Environment, atype: tf.Tensor, pairs: np.ndarray
    ) -> Environment:
        found = [
            part.without_pairs(own, atype, pairs)
            for part, own in zip(self.parts, self._split(environment, atype), strict=True)
        ]
        return self._joined(found, *tf.unstack(tf.shape(atype)))

    def features(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> Features:
        found = [
            part.features(own, atype, type_embedding)
            for part, own in zip(self.parts, self._split(environment, atype), strict=True)
        ]
        equivariant = [one.equivariant for one in found if one.equivariant is not None]
        return Features(
            tf.concat([one.invariant for one in found], axis=2),
            tf.concat(equivariant, axis=2) if equivariant else None,
        )

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        return [
            (of_part(f"{scope}/", place).rstrip("/"), suffix, net)
            for place, part in enumerate(self.parts)
            for scope, suffix, net in part.scoped_nets()
        ]

    def named_variables(self) -> dict[str, keras.Variable]:
        return {
            of_part(name, place): variable
            for place, part in enumerate(self.parts)
            for name, variable in part.named_variables().items()
        }

    def graph_constants(self) -> dict[str, np.ndarray]:
        return super().graph_constants() | {
            of_part(name, place): array
            for place, part in enumerate(self.parts)
            for name, array in part.graph_constants().items()
        }

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("ntypes", "rcut", "rcut_smth", "sel", "interface_dtype"):
            del config[name]
        return {**config, "parts": [keras.saving.serialize_keras_object(p) for p in self.parts]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        parts = [keras.saving.deserialize_keras_object(part) for part in config["parts"]]
        return cls(**{**config, "parts": parts})

    def _joined(
        self, found: Sequence[Environment], nframes: tf.Tensor, nloc: tf.Tensor
    ) -> Environment:
        """One environment of those of the descriptors."""
        return Environment(
            *(
                tf.reshape(
                    tf.concat(
                        [
                            tf.reshape(array, [nframes * nloc, part.nnei * width])
                            for part, array in zip(self.parts, arrays, strict=True)
                        ],
                        axis=1,
                    ),
                    [nframes, nloc * self.nnei * width],
                )
                for width, arrays in zip(SLOT_WIDTHS, zip(*found, strict=True), strict=True)
            )
        )

    def _split(self, environment: Environment, atype: tf.Tensor) -> list[Environment]:
        """The environments of the descriptors."""
        nframes, nloc = tf.unstack(tf.shape(atype))
        slots = [part.nnei for part in self.parts]
        pieces = []
        for width, array in zip(SLOT_WIDTHS, environment, strict=True):
            sizes = [width * number for number in slots]
            rows = tf.reshape(array, [nframes * nloc, sum(sizes)])
            pieces.append(
                [
                    tf.reshape(own, [nframes, nloc * size])
                    for size, own in zip(sizes, tf.split(rows, sizes, axis=1), strict=True)
                ]
            )
        return [Environment(*own) for own in zip(*pieces, strict=True)]
