"""Keys by which other backends than TensorFlow describe the type embedding of a descriptor."""

from __future__ import annotations

from typing import Any

from dargs import Argument

from deepattn.config.argument import key as argument
from deepattn.config.descriptions import USE_ECONF_TEBD
from deepattn.errors import ConfigError, show

# Where a section ``type_embedding`` has them.
_PLACES = {
    "tebd_dim": "neuron",
    "use_econf_tebd": "use_econf_tebd",
    "use_tebd_bias": "use_tebd_bias",
}


def embedding_keys(when: str = "", *, use_tebd_bias: bool = False) -> tuple[Argument, ...]:
    """The keys, which a normal form has in ``model/type_embedding``.

    Args:
        when: Beginning of their descriptions.
        use_tebd_bias: A default that descriptors do not agree on.
    """
    return (
        argument("tebd_dim", int, 8, f"{when}Width of the type embedding."),
        argument("use_econf_tebd", bool, False, f"{when}{USE_ECONF_TEBD}"),
        argument(
            "use_tebd_bias", bool, use_tebd_bias, f"{when}Whether the type embedding has a bias."
        ),
    )


def take_embedding(
    section: dict[str, Any],
    embedding: dict[str, Any],
    keys: tuple[Argument, ...],
    *,
    common: bool,
    given: bool,
) -> dict[str, Any]:
    """The ``type_embedding`` that a section describes, whose keys are taken out of it.

    Args:
        section: The section, changed in place.
        embedding: What the model has without any of the keys.
        keys: Those of `embedding_keys`.
        common: Whether the model has the common convention; otherwise the keys must be unset.
        given: Whether it has a section ``type_embedding``, where such keys must be unset too.

    Raises:
        ConfigError: Keys are set where they must not be.
    """
    own = {one.name: section.pop(one.name, one.default) for one in keys}
    for one in keys:
        if own[one.name] != one.default and (given or not common):
            why = "with model/type_embedding" if given else "without model/convention common"
            raise ConfigError(
                f"model/descriptor/{one.name} = {show(own[one.name])} is not supported {why}; set "
                f"model/type_embedding/{_PLACES[one.name]}."
            )
    if not common:
        return embedding
    return embedding | {
        "neuron": [own["tebd_dim"]],
        "use_econf_tebd": own["use_econf_tebd"],
        "use_tebd_bias": own["use_tebd_bias"],
        "precision": section["precision"],
        "trainable": section["trainable"],
    }
