"""Models as the trees of ``.dp`` and ``.yaml`` files, and back: configuration and flat weights.

Descriptors and fittings are read and written by the formats that their configurations name.
"""

from deepattn.models.dpmodel.convention import conventions_differ
from deepattn.models.dpmodel.model import from_tree, set_bias, to_tree

__all__ = ["conventions_differ", "from_tree", "set_bias", "to_tree"]
