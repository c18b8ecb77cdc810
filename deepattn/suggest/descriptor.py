"""The rule for the kind of the descriptor."""

from __future__ import annotations

from deepattn.suggest.choice import Choice
from deepattn.suggest.facts import Facts

# Elements up to which each has nets of its own.
_OWN_NETS = 5
# Elements up to which the vector of each has 32 numbers; beyond, half of them.
_LONG_VECTORS = 32


def descriptor(facts: Facts) -> tuple[Choice, ...]:
    """DeepPot-SE with a net per element, or DPA-1 without attention."""
    count = len(facts.elements)
    named = f"{count} {'element' if count == 1 else 'elements'}"
    benefit = (
        "all pairs of elements share one net, which also describes pairs that are rare in the data"
    )
    if facts.mixed_types:
        why = "the frames of a system have types of their own (mixed types)"
    elif count > _OWN_NETS:
        why = f"there are {named}"
    elif facts.metal and count > 1:
        why = f"an alloy of {named}"
    elif facts.metal:
        why = "a metal"
        benefit = "its energies are learned faster than with se_e2_a"
    else:
        values = {"type": "se_e2_a", "type_one_side": True}
        return (
            Choice(
                {f"model/descriptor/{key}": value for key, value in values.items()},
                f"{named} in systems with fixed types: embedding and fitting nets of each element "
                "learn faster than nets that all elements share",
            ),
        )
    values = {"type": "se_atten_v2", "attn_layer": 0}
    chosen = Choice(
        {f"model/descriptor/{key}": value for key, value in values.items()},
        f"{why}: {benefit}; attention takes most of the time of a step, so it is left out",
    )
    width = 32 if count <= _LONG_VECTORS else 16
    whose = "the element" if count == 1 else f"each of {named}"
    embedding = Choice(
        {"model/type_embedding/neuron": [width]}, f"a learned vector of {width} numbers for {whose}"
    )
    return chosen, embedding
