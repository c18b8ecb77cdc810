"""Both implementations of the ops, as modules of the same functions."""

import ctypes

import pytest

from deepattn import ops
from deepattn.ops import build, loader, twins


@pytest.fixture(scope="session")
def compiled():
    """The compiled ops."""
    if ops.library() is None:
        pytest.skip("the op libraries are not built: python -m deepattn.ops.build")
    return ops


@pytest.fixture(params=["compiled", "twin"])
def either(request):
    """The compiled ops and the plain TensorFlow ones in turn."""
    return twins if request.param == "twin" else request.getfixturevalue("compiled")


@pytest.fixture(params=["avx512", "avx2", "generic"])
def instruction_set(request, compiled):
    """Each set of instructions that this processor has, in turn."""
    assert loader.own_ops() is not None  # TensorFlow must be the first to open the library
    use = ctypes.CDLL(str(build.LIB_DIR / loader.OWN)).deepattn_use_instruction_set
    if not use(request.param.encode()):
        pytest.skip(f"this processor does not have {request.param}")
    yield request.param
    assert use(None)
