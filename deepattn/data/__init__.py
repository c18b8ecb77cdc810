"""Frames on disk, in all of DeePMD's layouts, and the batches drawn from them.

NumPy arrays throughout; nothing here imports TensorFlow.
"""

import lazy_loader

# Whoever asks for the names of types alone need not wait for HDF5 and LMDB.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "dataset": ["ArraySpec", "Batch", "DataSet"],
        "sampler": ["Sampler"],
        "search": ["find_systems", "read_list"],
        "summary": ["summary_lines"],
        "system": ["System"],
    },
)
