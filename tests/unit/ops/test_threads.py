"""Results are the same bits whatever the number of threads, and large systems cost O(N)."""

import sys
import time

import numpy as np
import processes
import pytest

from .cases import random_case

SCRIPT = """
import hashlib
import sys
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
from deepattn import ops
rng = np.random.default_rng(0)
n, nnei = 900, 80
coord = tf.constant(rng.uniform(0, 20, (2, n * 3)))
natoms, box = tf.constant([n, n, n]), tf.constant(np.tile(20 * np.eye(3).reshape(1, 9), (2, 1)))
zeros, ones = tf.zeros((1, nnei * 4), tf.float64), tf.ones((1, nnei * 4), tf.float64)
env = ops.prod_env_mat_a_mix(
    coord, tf.zeros((2, n), tf.int32), natoms, box, tf.zeros(6, tf.int32), zeros, ones,
    rcut=5.0, rcut_smth=1.0, nnei=nnei)
net = tf.constant(rng.normal(size=env.descrpt.shape))
results = [*env, ops.prod_force_se_a(net, env.descrpt_deriv, env.nlist, natoms, nnei=nnei),
           *ops.prod_virial_se_a(net, env.descrpt_deriv, env.rij, env.nlist, natoms, nnei=nnei),
           *ops.neighbor_stat(tf.reshape(coord, (2, n, 3)), tf.zeros((2, n), tf.int32), box,
                              rcut=5.0, ntypes=1)]
slots = [tf.constant(rng.normal(size=(100, 19, k))) for k in (10, 3)]
slots.append(tf.constant(rng.uniform(size=(100, 19))))
shapes = [(10, 12), (12,)] * 3 + [(12, 10), (10,), (10,), (10,)]
parameters = [tf.constant(rng.normal(size=shape)) for shape in shapes]
with tf.GradientTape() as outer:
    outer.watch([*slots, *parameters])
    with tf.GradientTape() as inner:
        inner.watch(slots)
        value = ops.gated_attention(
            *slots, ops.AttentionParameters(*parameters), dotr=True, mask=True, smooth=True,
            ln_eps=1e-3)
    first = inner.gradient(value, slots)
    total = tf.add_n([tf.reduce_sum(g * g) for g in first]) + tf.reduce_sum(value)
results += [value, *first, *outer.gradient(total, [*slots, *parameters])]
print(hashlib.sha256(b"".join(x.numpy().tobytes() for x in results)).hexdigest())
"""


def test_results_do_not_depend_on_the_threads(compiled):
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    environment = {**processes.environment(), **quiet}
    digests = set()
    for threads in ("1", "2", "7"):
        done = processes.run([sys.executable, "-c", SCRIPT, threads], env=environment)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.strip())
    assert len(digests) == 1 and all(digests)


@pytest.mark.slow
def test_cost_grows_with_the_atoms_not_with_their_square(compiled):
    def seconds(natoms):
        side = (natoms / 0.1) ** (1 / 3)
        rng = np.random.default_rng(0)
        case = random_case("cubic", natoms=1, nframes=1, nnei=10).with_(
            coord=rng.uniform(0, side, (1, natoms, 3)),
            atype=np.zeros((1, natoms), np.int32),
            box=side * np.eye(3).reshape(1, 9),
        )
        arguments = case.arguments()
        best = np.inf
        for _ in range(5):
            start = time.process_time()
            compiled.prod_env_mat_a_mix(*arguments, rcut=6.0, rcut_smth=1.0, nnei=10)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(24000) < 20 * seconds(3000)  # 8 if linear, 64 if quadratic


def test_a_sparse_frame_needs_little_memory(compiled):
    # A cell list with one cell per cutoff cubed would not fit into memory.
    case = random_case("cubic", natoms=50, nframes=1, nnei=6, virtual=False)
    for periodic in (True, False):
        far = case.with_(coord=case.coord * 1e6, box=case.box * 1e7, periodic=periodic)
        pair = far.coord.copy()
        pair[0, 49] = pair[0, 0] + [1.0, 0, 0]
        nmask = far.with_(coord=pair).mix(compiled)[5].reshape(50, 6)
        assert nmask.sum() == 2 and nmask[0].sum() == nmask[49].sum() == 1
