"""The parts of the trees of ``.dp`` and ``.yaml`` files: nodes, nets, embeddings, statistics.

`Node` is what readers read from, `nets` has the layers and nets that all parts are made of. The
readers and writers of a descriptor or fitting are in its folder, as a `DescriptorFormat` or a
`FittingFormat`.
"""

from deepattn.trees.part import DescriptorFormat, FittingFormat

__all__ = ["DescriptorFormat", "FittingFormat"]
