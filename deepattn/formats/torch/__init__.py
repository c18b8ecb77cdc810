"""PyTorch's files, ``.pt`` and ``.pth``, without PyTorch and without running anything."""

from deepattn.formats.torch.archive import Archive, is_torch_start
from deepattn.formats.torch.file import ONLY, TorchFile, TorchModel
from deepattn.formats.torch.pickle import read_pickle
from deepattn.formats.torch.values import PickleError
from deepattn.formats.torch.write import encode_torch

__all__ = [
    "ONLY",
    "Archive",
    "PickleError",
    "TorchFile",
    "TorchModel",
    "encode_torch",
    "is_torch_start",
    "read_pickle",
]
