"""The keys of an input file: names, types, defaults, aliases and what they mean.

Everything else reads these declarations: checking, defaults and the reference page docs/input.md.
"""

from functools import cache

from dargs import Argument

from deepattn.config.argument import OfTasks, Refused
from deepattn.config.schema.learning_rate import learning_rate_section, optimizer_section
from deepattn.config.schema.loss import loss_section
from deepattn.config.schema.model import model_section
from deepattn.config.schema.training import training_section, validating_section

__all__ = ["input_schema"]


@cache
def input_schema() -> Argument:
    """Schema of a whole input."""
    return Argument(
        "input",
        dict,
        [
            Refused("nvnmd", hint="models for that hardware are not supported"),
            OfTasks("loss_dict"),
            Refused("learning_rate_dict", hint="all branches have one learning_rate"),
            model_section(),
            learning_rate_section(),
            loss_section(),
            optimizer_section(),
            training_section(),
            validating_section(),
        ],
    )
