"""Models as the trees of ``.dp`` and ``.yaml`` files, and back: configuration and flat weights.

One module a part of a model; each reads and writes it. `Node` is what readers read from, `nets`
has the layers and nets that all parts are made of.
"""

from deepattn.models.dpmodel.convention import conventions_differ
from deepattn.models.dpmodel.model import from_tree, set_bias, to_tree

__all__ = ["conventions_differ", "from_tree", "set_bias", "to_tree"]
