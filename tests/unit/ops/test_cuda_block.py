"""The library compiled for the host says that it is."""

import ctypes


def test_target(cuda_host):
    cuda_host.deepattn_cuda_target.restype = ctypes.c_char_p
    assert cuda_host.deepattn_cuda_target() == b"host"
