"""Base class of optimizer sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn.config.section import Kind
from deepattn.registry import Registry

OPTIMIZERS: Registry[OptimizerConfig] = Registry(
    "optimizer",
    "deepattn.optimizers",
    {
        "Adam": "deepattn.optimizers.adam.config:AdamConfig",
        "AdamW": "deepattn.optimizers.adamw.config:AdamWConfig",
    },
)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Kind):
    """An ``optimizer`` section: the keys of its type, and the Keras optimizer that it describes.

    An optimizer of your own is a subclass with fields for its keys (docs/extending.md).

    Class attributes:
        implementation: Reference ``"module:class"`` to the Keras optimizer.
        safe_lr: Learning rate from which its first steps undo what a pretrained model knows, if
            that is known.
    """

    registry: ClassVar[Registry] = OPTIMIZERS
    default_type: ClassVar[str | None] = "Adam"
    implementation: ClassVar[str]
    safe_lr: ClassVar[float | None] = None

    def implementation_for(self, *, common: bool) -> str:
        """The reference for a model of TensorFlow's convention, or of the common one."""
        return self.implementation

    def keras_arguments(self) -> dict[str, Any]:
        """Arguments of the Keras optimizer; by default the keys of the section."""
        arguments = self.to_dict()
        del arguments["type"]
        return arguments

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a complete section.

        Raises:
            ConfigError: A value is out of range, or two do not go together.
        """
        cls.check_keys(section, path)
