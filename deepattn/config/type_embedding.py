"""The ``type_embedding`` section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepattn.config.constraints import check_net, resolve_activation
from deepattn.config.descriptions import ACTIVATION, PRECISION, RESNET, SEED, USE_ECONF_TEBD
from deepattn.config.section import Section, key
from deepattn.errors import ConfigError, show

# Activation of a DPA-1 model without the section; an empty section has tanh instead.
DEFAULT_TYPE_EMBEDDING = {
    "neuron": [8],
    "activation_function": "linear",
    "resnet_dt": False,
    "precision": "default",
    "trainable": True,
    "seed": None,
    "use_econf_tebd": False,
    "use_tebd_bias": False,
}


@dataclass(frozen=True, kw_only=True)
class TypeEmbeddingConfig(Section):
    """Vectors that stand for the elements."""

    neuron: tuple[int, ...] = key(
        [8], "Widths of the layers; the last is that of the type embedding."
    )
    activation_function: str = key("tanh", ACTIVATION)
    resnet_dt: bool = key(False, RESNET)
    precision: str = key("default", PRECISION)
    trainable: bool = key(True, "Whether the type embedding is trained.")
    seed: int | None = key(None, SEED)
    use_econf_tebd: bool = key(False, USE_ECONF_TEBD)
    use_tebd_bias: bool = key(
        False, "Whether the layers have a bias (always true before DeePMD-kit 3.0)."
    )

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> None:
        """Resolve defaults that depend on other keys, in place."""
        resolve_activation(section)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a complete section.

        Raises:
            ConfigError: A value is out of range.
        """
        check_net(section, path)


def check_elements(type_map: Sequence[str] | None, path: str) -> None:
    """Refuse type maps with names other than elements if electron configurations are used.

    Raises:
        ConfigError: A name is no element, or there are no names.
    """
    from ase.data import chemical_symbols

    unknown = [name for name in type_map or () if name not in chemical_symbols[1:]]
    if unknown or not type_map:
        found = show(unknown[0]) if unknown else "nothing"
        raise ConfigError(
            f"{path} needs the names of elements in model/type_map, which contains {found}."
        )
