"""Both implementations of the ops, as modules of the same functions."""

import ctypes
import fcntl
import shutil
from pathlib import Path

import pytest

from deepattn import ops
from deepattn.ops import build, loader, reference
from deepattn.ops.build import build_cuda


@pytest.fixture(scope="session")
def compiled():
    """The compiled ops."""
    if ops.library() is None:
        pytest.skip("the op libraries are not built: python -m deepattn.ops.build")
    return ops


@pytest.fixture(params=["compiled", "reference"])
def either(request):
    """The compiled ops and the plain TensorFlow ones in turn."""
    return reference if request.param == "reference" else request.getfixturevalue("compiled")


@pytest.fixture(params=["avx512", "avx2", "generic"])
def instruction_set(request, compiled):
    """Each set of instructions that this processor has, in turn."""
    use = ctypes.CDLL(str(build.LIB_DIR / loader.KERNELS)).deepattn_use_instruction_set
    if not use(request.param.encode()):
        pytest.skip(f"this processor does not have {request.param}")
    yield request.param
    assert use(None)


@pytest.fixture(scope="session")
def cuda_host() -> ctypes.CDLL:
    """The CUDA library compiled for the host; kept in the checkout until its sources change."""
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler: c++ is not on the PATH")
    source = build.source_dir()
    digest = build_cuda.cuda_digest(source)
    folder = Path(__file__).resolve().parents[3] / "build" / "cuda_host"
    path = folder / digest / build_cuda.HOST_LIBRARY
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:  # processes that test at the same time build once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            for old in folder.glob("*/"):
                shutil.rmtree(old)
            stores = build.object_stores(source, folder)
            build_cuda.build_host(path, source=source, open_store=stores)
    return ctypes.CDLL(str(path))


@pytest.fixture(params=["forwards", "backwards", "shuffled"])
def cuda_order(request, cuda_host):
    """The library for the host, that runs what a device runs at once in each order in turn."""
    orders = ["forwards", "backwards", "shuffled"]
    cuda_host.deepattn_cuda_host_order(orders.index(request.param))
    yield cuda_host
    cuda_host.deepattn_cuda_host_order(0)
