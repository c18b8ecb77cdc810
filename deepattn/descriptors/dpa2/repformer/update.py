"""Update of features by the terms of a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from deepattn.descriptors.dpa2.repformer.options import RepformerOptions
from deepattn.layers.initializers import SeededNormal
from deepattn.layers.residual_dense import ResidualDense, activated_residual
from deepattn.layers.seeds import seeds_from


@keras.saving.register_keras_serializable(package="deepattn")
class Update(keras.layers.Layer):
    """The features and ``count`` terms in the style of the options.

    - ``res_avg``: ``(x + Σ u) / sqrt(count + 1)``;
    - ``res_incr``: ``x + Σ u / sqrt(count)``;
    - ``res_residual``: ``x + Σ ρ_q u_q``, with a trained vector ``ρ_q`` for each term.

    Args:
        count: Number of terms.
        width: Width of the features.
        options: `RepformerOptions`.
        seed: Seed of the vectors.

    Call arguments: the features and a list of ``count`` terms, all of one shape.
    """

    def __init__(
        self,
        count: int,
        width: int,
        options: RepformerOptions,
        *,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.count = count
        self.width = width
        self.options = RepformerOptions.of(options)
        self.seed = seed

    def build(self, *_: object) -> None:
        self.residuals = []
        if self.options.update_style != "res_residual":
            return
        size = self.options.update_residual
        for k, seed in zip(range(self.count), seeds_from(self.seed), strict=False):
            normal = SeededNormal(0.0, size, seed)
            constant = keras.initializers.Constant(size)
            drawn = self.options.update_residual_init == "norm"
            self.residuals.append(
                self.add_weight(
                    name=f"residual_{k}",
                    shape=(self.width,),
                    initializer=normal if drawn else constant,
                )
            )

    def call(self, x: tf.Tensor, terms: Sequence[tf.Tensor]) -> tf.Tensor:
        if not terms:
            return x
        if self.options.update_style == "res_avg":
            return tf.add_n([x, *terms]) * (self.count + 1) ** -0.5
        if self.options.update_style == "res_incr":
            return x + tf.add_n(terms) * self.count**-0.5
        weights = [tf.convert_to_tensor(residual) for residual in self.residuals]
        return tf.add_n([x, *(w * u for w, u in zip(weights, terms, strict=True))])

    def with_own_term(
        self,
        x: tf.Tensor,
        layer: ResidualDense,
        function: Callable[[tf.Tensor], tf.Tensor],
        terms: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """The update of which the first term is ``function(x W + b)``, in fewer operations.

        Args:
            x: The features.
            layer: Of W and b, a linear one as wide as the features.
            function: An activation.
            terms: The other terms.
        """
        style, step = self.options.update_style, None
        if style == "res_residual":
            step = tf.convert_to_tensor(self.residuals[0])
        elif style == "res_incr":
            step = tf.fill([self.width], tf.constant(self.count**-0.5, x.dtype))
        result = activated_residual(layer, x, function, step)
        if style == "res_avg":
            return tf.add_n([result, *terms]) * (self.count + 1) ** -0.5
        if style == "res_incr":
            return tf.add_n([result, *(u * self.count**-0.5 for u in terms)])
        weights = [tf.convert_to_tensor(residual) for residual in self.residuals[1:]]
        return tf.add_n([result, *(w * u for w, u in zip(weights, terms, strict=True))])

    def named_variables(self) -> dict[str, keras.Variable]:
        """``0``, ``1`` …, in the order of the terms."""
        return {str(k): residual for k, residual in enumerate(self.residuals)}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "count": self.count,
            "width": self.width,
            "options": self.options.to_dict(),
            "seed": self.seed,
        }
