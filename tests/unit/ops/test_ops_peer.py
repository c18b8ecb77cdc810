"""The compiled ops against those of DeePMD-kit 3.2.0, run in a process of its own."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from deepattn.layers.tables import quintics, table_range
from deepattn.ops import loader, reference
from tests.conformance.deepmd_kit import DP320, run_python

from .cases import BOXES, explicit_ghosts, inline_mesh, random_case

pytestmark = pytest.mark.conformance

OPS = [
    "ProdEnvMatAMix",
    "ProdEnvMatA",
    "ProdForceSeA",
    "ProdVirialSeA",
    "ProdForceSeAGrad",
    "ProdVirialSeAGrad",
    "GeluCustom",
    "GeluGradCustom",
    "GeluGradGradCustom",
    "Gelu",
    "GeluGrad",
    "GeluGradGrad",
    "TabulateFusionSeA",
    "TabulateFusionSeAGrad",
    "TabulateFusionSeAtten",
    "TabulateFusionSeAttenGrad",
]

# Runs ops on arrays from a file: the keys are "case/op/position", attributes come as JSON.
PEER = """
import json, sys
from importlib.util import find_spec
from pathlib import Path
import numpy as np, tensorflow as tf
from tensorflow.python.framework import op_def_registry
lib = Path(find_spec("deepmd").submodule_search_locations[0]) / "lib"
modules = [tf.load_op_library(str(lib / name)) for name in ("libdeepmd_op.so", "libop_grads.so")]
jobs = json.loads(Path(sys.argv[1]).read_text())
arrays = dict(np.load(sys.argv[2]))
out = {}
for name, (op, attributes, count) in jobs.items():
    function = next(getattr(m, op) for m in modules if hasattr(m, op))
    inputs = [arrays[f"{name}/{k}"] for k in range(count)]
    results = function(*inputs, **attributes)
    for k, x in enumerate(results if isinstance(results, (list, tuple)) else [results]):
        out[f"{name}/{k}"] = x.numpy()
np.savez(sys.argv[3], **out)
names = json.loads(sys.argv[4])
defs = {name: op_def_registry.get(name).SerializeToString().hex() for name in names}
Path(sys.argv[1]).write_text(json.dumps(defs))
"""


def env_job(case, dtype, sel=None):
    op = "prod_env_mat_a_mix" if sel is None else "prod_env_mat_a"
    sel = [case.nnei] if sel is None else sel
    attributes = {
        "rcut_a": -1.0,
        "rcut_r": case.rcut,
        "rcut_r_smth": case.rcut_smth,
        "sel_a": sel,
        "sel_r": [0] * len(sel),
    }
    return op, attributes, [x.numpy() for x in case.arguments(dtype)]


def make_jobs():
    """Name -> (op, attributes, inputs). Types are sorted: the peer's ``ProdEnvMatA`` needs that."""
    jobs = {}
    for dtype in (tf.float32, tf.float64):
        tag = dtype.name
        for box in [*BOXES, "open"]:
            if box == "left-handed":
                continue  # the peer misses neighbors there
            case = random_case(box, seed=7)
            jobs[f"mix {box} {tag}"] = env_job(case, dtype)
            jobs[f"truncated {box} {tag}"] = env_job(
                case.with_(davg=case.davg[:, :20], dstd=case.dstd[:, :20]), dtype
            )
            plain = random_case(box, seed=8, nnei=50, virtual=False)
            plain = plain.with_(
                atype=np.sort(plain.atype, axis=1)[:1].repeat(2, axis=0),
                mesh=np.zeros(0 if box == "open" else 6),
            )
            jobs[f"blocks {box} {tag}"] = env_job(plain, dtype, sel=[20, 30])
        for name, vectors in LATTICES.items():
            jobs[f"lattice {name} {tag}"] = env_job(lattice_case(vectors), dtype)
        ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1, seed=9))
        order = np.random.default_rng(0).permutation(len(rows))
        jobs[f"list {tag}"] = env_job(ghosted.with_(mesh=inline_mesh(rows, order)), dtype)
        jobs |= pair_jobs(dtype)
        jobs |= table_jobs(dtype)
    return jobs


LATTICES = {
    "cubic": 2.7 * np.eye(3),
    "fcc": 3.6 * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    "hexagonal": 2.9 * np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, 1.6]]),
}


def lattice_case(vectors):
    """A perfect crystal with too few slots: ties decide."""
    steps = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    case = random_case("cubic", natoms=64, nframes=1, nnei=11, virtual=False)
    return case.with_(coord=(steps @ vectors)[None], box=(4 * vectors).reshape(1, 9))


def pair_jobs(dtype):
    case = random_case("triclinic", seed=11, virtual=False)
    _, in_deriv, rij, nlist, _, _ = case.mix(reference, dtype)
    rng = np.random.default_rng(1)
    real = dtype.as_numpy_dtype
    net = rng.normal(size=(2, nlist.shape[1] * 4)).astype(real)
    g_force, g_virial = (rng.normal(size=(2, n)).astype(real) for n in (3 * 14, 9))
    x, dy, dy2 = (rng.normal(scale=3, size=(5, 7)).astype(real) for _ in range(3))
    attributes = {"n_a_sel": case.nnei, "n_r_sel": 0}
    jobs = {
        "prod_force_se_a": [net, in_deriv, nlist, case.natoms],
        "prod_virial_se_a": [net, in_deriv, rij, nlist, case.natoms],
        "prod_force_se_a_grad": [g_force, net, in_deriv, nlist, case.natoms],
        "prod_virial_se_a_grad": [g_virial, net, in_deriv, rij, nlist, case.natoms],
        "gelu_custom": [x],
        "gelu_grad_custom": [dy, x],
        "gelu_grad_grad_custom": [dy, dy2, x],
        "gelu": [x],
    }
    return {
        f"{op} {dtype.name}": (op, attributes if op.startswith("prod") else {}, inputs)
        for op, inputs in jobs.items()
    }


def table_jobs(dtype):
    """The ops over tables and their gradients, with numbers in and beyond all intervals."""
    rng, real = np.random.default_rng(2), dtype.as_numpy_dtype
    natoms, nnei, width = 3, 9, 5
    span = table_range(-1.0, 3.0, step=0.1, extrapolate=4.0, dtype=dtype.name)
    # Of continuous functions, as a number at an edge may fall into either interval.
    phase = np.multiply.outer(span.nodes, np.arange(1, width + 1) / width)
    waves = np.sin(phase), np.cos(phase) / 5, -np.sin(phase) / 25
    table = quintics(np.diff(span.nodes), *waves).swapaxes(1, 2).reshape(span.nintervals, -1)
    info = span.info()
    em = rng.normal(size=(natoms, nnei, 4))
    em_x = rng.uniform(-2, 14, size=(natoms, nnei))
    padding = np.arange(nnei) >= np.array([[4], [9], [0]])
    em[padding] = [-0.45, 0.0, 0.0, 0.0]
    em_x[padding] = -0.45
    two = rng.normal(size=(natoms, nnei, width))
    # Padding of an atom is alike in every way.
    two[padding] = 0.3
    dy = rng.normal(size=(natoms, 4, width))
    plain = [table, info, em_x.reshape(-1, 1), em]
    atten = [*plain, two.reshape(-1, width)]
    none = np.zeros_like(dy)  # the descriptor, which the gradients do not look at
    jobs = {
        f"table plain {dtype.name}": ("tabulate_fusion_se_a", {"last_layer_size": width}, plain)
    }
    jobs[f"table plain grad {dtype.name}"] = ("tabulate_fusion_se_a_grad", {}, [*plain, dy, none])
    for ordered in (True, False):
        tag = f"{ordered} {dtype.name}"
        options = {"is_sorted": ordered}
        jobs[f"table {tag}"] = (
            *("tabulate_fusion_se_atten", {"last_layer_size": width, **options}, atten),
        )
        jobs[f"table grad {tag}"] = (
            *("tabulate_fusion_se_atten_grad", options, [*atten, dy, none]),
        )
    return {
        name: (op, attributes, [x.astype(real) for x in inputs])
        for name, (op, attributes, inputs) in jobs.items()
    }


@pytest.fixture(scope="module")
def peer(compiled, tmp_path_factory):
    """Results of the peer for all jobs, and its definitions of the ops."""
    folder: Path = tmp_path_factory.mktemp("peer")
    jobs = make_jobs()
    (folder / "jobs.json").write_text(
        json.dumps({name: (op, attrs, len(inputs)) for name, (op, attrs, inputs) in jobs.items()})
    )
    np.savez(
        folder / "in.npz",
        **{f"{name}/{k}": x for name, job in jobs.items() for k, x in enumerate(job[2])},
    )
    files = [folder / name for name in ("jobs.json", "in.npz", "out.npz")]
    run_python(DP320.require(), ["-c", PEER, *files, json.dumps(OPS)], folder)
    return jobs, dict(np.load(files[2])), json.loads(files[0].read_text())


def results(job):
    op, attributes, inputs = job
    out = getattr(loader.compat_ops(), op)(*inputs, **attributes)
    return [x.numpy() for x in (out if isinstance(out, tuple) else [out])]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "kind", ["mix", "truncated", "blocks", "lattice", "list", "prod", "gelu", "table"]
)
def test_numbers(peer, kind, dtype):
    jobs, expected, _ = peer
    chosen = {n: j for n, j in jobs.items() if n.startswith(kind) and n.endswith(dtype)}
    assert chosen
    tolerance = {"float32": 3e-5, "float64": 1e-11}[dtype]
    for name, job in chosen.items():
        for k, got in enumerate(results(job)):
            want = expected[f"{name}/{k}"]
            if job[0].startswith("prod_env_mat"):
                # Nobody may rely on what the peer puts into the rows of virtual atoms.
                nloc, atoms = job[2][2][0], job[2][1]
                keep = (atoms[:, :nloc] >= 0)[..., None]
                got, want = (x.reshape(*keep.shape[:2], -1) * keep for x in (got, want))
            if got.dtype.kind == "f":
                np.testing.assert_allclose(
                    got, want, rtol=tolerance, atol=tolerance * abs(want).max(), err_msg=name
                )
            else:
                np.testing.assert_array_equal(got, want, err_msg=name)


@pytest.mark.parametrize("name", OPS)
def test_definitions(peer, name):
    ours = op_def_registry.get(name)
    theirs = type(ours).FromString(bytes.fromhex(peer[2][name]))
    assert ours == theirs
