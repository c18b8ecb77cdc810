"""Models as the trees of ``.dp`` and ``.yaml`` files, and back: configuration and flat weights.

Descriptors and fittings are read and written by the formats that their configurations name.
"""

from deepattn.models.dpmodel.convention import (
    conventions_differ,
    has_all_residuals,
    refuse_unwritable,
)
from deepattn.models.dpmodel.model import (
    complete,
    from_tree,
    section_for_others,
    set_bias,
    to_tree,
)

__all__ = [
    "complete",
    "conventions_differ",
    "from_tree",
    "has_all_residuals",
    "refuse_unwritable",
    "section_for_others",
    "set_bias",
    "to_tree",
]
