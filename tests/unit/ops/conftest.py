"""Both implementations of the ops, as modules of the same functions."""

import pytest

from deepattn import ops
from deepattn.ops import twins


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
