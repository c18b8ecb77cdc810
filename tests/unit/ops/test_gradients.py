"""Forces and virials are derivatives of the energy, and tapes cross them as often as one likes."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from deepattn.ops import reference

from .cases import explicit_ghosts, inline_mesh, random_case

CASE = random_case("triclinic", natoms=5, nframes=2, nnei=10, virtual=False)
WEIGHTS = np.random.default_rng(5).normal(size=(2, 5 * 10 * 4))


def energy(case):
    """A smooth function of the environment matrix, and its derivative; one number a frame."""
    descrpt = reference.prod_env_mat_a_mix(
        *case.arguments(), rcut=case.rcut, rcut_smth=case.rcut_smth, nnei=case.nnei
    )[0].numpy()
    return (WEIGHTS * np.sin(descrpt)).sum(axis=1), WEIGHTS * np.cos(descrpt)


def pair_inputs(either, case=CASE):
    env = either.prod_env_mat_a_mix(
        *case.arguments(), rcut=case.rcut, rcut_smth=case.rcut_smth, nnei=case.nnei
    )
    return env, tf.constant(case.natoms)


def test_deriv_is_the_derivative_of_descrpt(either):
    case = random_case("triclinic", natoms=4, nframes=1, nnei=60, virtual=False)
    case = case.with_(rcut=3.1, rcut_smth=2.0)
    deriv, _, nlist = case.mix(either)[1:4]
    deriv = deriv.reshape(4, 60, 4, 3)
    step = 1e-5
    for i, k in itertools.product(range(4), range(3)):
        ends = []
        for sign in (1, -1):
            coord = case.coord.copy()
            coord[0, i, k] += sign * step
            ends.append(case.with_(coord=coord).mix(either)[0].reshape(4, 60, 4)[i])
        own = nlist.reshape(4, 60)[i] == i  # an image of the center moves along with it
        expected = np.where(own[:, None], 0, deriv[i, :, :, k])
        np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), expected, atol=2e-8)


def test_force_is_minus_the_gradient_of_the_energy(either):
    env, natoms = pair_inputs(either)
    _, net_deriv = energy(CASE)
    force = either.prod_force_se_a(tf.constant(net_deriv), env[1], env[3], natoms, nnei=10).numpy()
    step = 1e-5
    for n in range(15):
        shift = np.zeros((1, 5, 3))
        shift.flat[n] = step
        up, down = (energy(CASE.with_(coord=CASE.coord + s * shift))[0] for s in (1, -1))
        np.testing.assert_allclose(force[:, n], -(up - down) / (2 * step), atol=1e-8)


def test_virial_is_minus_the_derivative_by_strain(either):
    env, natoms = pair_inputs(either)
    _, net_deriv = energy(CASE)
    virial, atom_virial = either.prod_virial_se_a(
        tf.constant(net_deriv), env[1], env[2], env[3], natoms, nnei=10
    )
    np.testing.assert_allclose(
        tf.reduce_sum(tf.reshape(atom_virial, [2, 5, 9]), axis=1), virial, atol=1e-12
    )
    step = 1e-5
    for a, b in itertools.product(range(3), range(3)):
        ends = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[b, a] += sign * step
            box = (CASE.box.reshape(2, 3, 3) @ strain).reshape(2, 9)
            ends.append(energy(CASE.with_(coord=CASE.coord @ strain, box=box))[0])
        expected = -(ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(virial[:, 3 * a + b], expected, atol=1e-8)


def test_ghosts_carry_their_reactions(either):
    case = random_case("triclinic", natoms=5, nframes=1, nnei=40, virtual=False)
    ghosted, rows = explicit_ghosts(case)
    ghosted = ghosted.with_(mesh=inline_mesh(rows))
    net_deriv = tf.constant(np.random.default_rng(0).normal(size=(1, 5 * 40 * 4)))
    folded = []
    for one in (case, ghosted):
        env, natoms = pair_inputs(either, one)
        force = either.prod_force_se_a(net_deriv, env[1], env[3], natoms, nnei=40)
        _, atoms = either.prod_virial_se_a(net_deriv, env[1], env[2], env[3], natoms, nnei=40)
        folded.append(
            [force.numpy().reshape(-1, 5, 3).sum(0), atoms.numpy().reshape(-1, 5, 9).sum(0)]
        )
    for inside, listed in zip(*folded, strict=True):
        np.testing.assert_allclose(listed, inside, atol=1e-11)


def numeric_gradient(function, inputs, index, cotangent, step=1e-6):
    base = inputs[index].numpy()
    out = np.empty(base.size)
    for n in range(base.size):
        ends = []
        for sign in (1, -1):
            moved = base.copy()
            moved.flat[n] += sign * step
            arguments = [*inputs]
            arguments[index] = tf.constant(moved)
            ends.append(np.sum(function(*arguments).numpy() * cotangent))
        out[n] = (ends[0] - ends[1]) / (2 * step)
    return out.reshape(base.shape)


def check_gradients(function, inputs, *, nested=False):
    """All first derivatives against differences and, if nested, the derivatives of those."""
    rng = np.random.default_rng(3)
    cotangent = rng.normal(size=function(*inputs).shape)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
    grads = tape.gradient(value, inputs, output_gradients=tf.constant(cotangent))
    in_a_graph = tf.function(function, autograph=False)  # differences are many
    for index, grad in enumerate(grads):
        expected = numeric_gradient(in_a_graph, inputs, index, cotangent)
        if grad is None:
            np.testing.assert_allclose(expected, 0, atol=1e-7)
            continue
        np.testing.assert_allclose(grad, expected, rtol=1e-6, atol=1e-7)

        def gradient(*arguments, index=index):
            arguments = [tf.convert_to_tensor(x) for x in arguments]
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                value = function(*arguments[:-1])
            return tape.gradient(value, arguments, output_gradients=arguments[-1])[index]

        if nested:
            check_gradients(gradient, [*inputs, tf.constant(cotangent)])


SMALL = random_case("triclinic", natoms=3, nframes=1, nnei=4, virtual=False, seed=2)


def test_gradients_of_the_force(either):
    env, natoms = pair_inputs(either, SMALL)
    net_deriv = tf.constant(np.random.default_rng(0).normal(size=env[0].shape))
    check_gradients(
        lambda net, deriv: either.prod_force_se_a(net, deriv, env[3], natoms, nnei=4),
        [net_deriv, env[1]],
        nested=True,
    )


@pytest.mark.parametrize("outputs", ["virial", "atom_virial", "both"])
def test_gradients_of_the_virial(either, outputs):
    env, natoms = pair_inputs(either, SMALL)
    net_deriv = tf.constant(np.random.default_rng(0).normal(size=env[0].shape))

    def virial(net, deriv, rij):
        total, atoms = either.prod_virial_se_a(net, deriv, rij, env[3], natoms, nnei=4)
        return {"virial": total, "atom_virial": atoms}.get(outputs, tf.concat([total, atoms], 1))

    check_gradients(virial, [net_deriv, env[1], env[2]], nested=outputs == "virial")


def test_gradients_of_gelu_up_to_the_third(either):
    x = tf.constant(np.random.default_rng(1).normal(scale=2, size=(7,)))
    check_gradients(either.gelu, [x], nested=True)
    with tf.GradientTape() as third, tf.GradientTape() as second, tf.GradientTape() as first:
        for tape in (first, second, third):
            tape.watch(x)
        y = either.gelu(x)
        y = first.gradient(y, x)
        y = second.gradient(y, x)
    h = 1e-3
    differences = sum(
        w * reference.gelu(x + k * h) for k, w in ((2, 1), (1, -2), (-1, 2), (-2, -1))
    ) / (2 * h**3)
    np.testing.assert_allclose(third.gradient(y, x), differences, atol=1e-4)


@pytest.mark.parametrize("ghosts", [False, True])
def test_training_step_agrees_with_the_reference(compiled, ghosts):
    """d/dw of a loss of force and virial, in a graph: what training differentiates."""
    case = random_case("triclinic", natoms=5, nframes=1, nnei=40, virtual=False)
    if ghosts:
        ghosted, rows = explicit_ghosts(case)
        case = ghosted.with_(mesh=inline_mesh(rows))
    results = []
    for ops in (compiled, reference):
        env, natoms = pair_inputs(ops, case)
        w = tf.Variable(np.random.default_rng(0).normal(size=(1, 5 * 40 * 4)))

        @tf.function
        def step(ops=ops, env=env, w=w, natoms=natoms):
            with tf.GradientTape() as outer:
                with tf.GradientTape() as tape:
                    tape.watch(env[0])
                    e = tf.reduce_sum(ops.gelu(w * env[0]))
                net = tape.gradient(e, env[0])
                force = ops.prod_force_se_a(net, env[1], env[3], natoms, nnei=40)
                virial, _ = ops.prod_virial_se_a(net, env[1], env[2], env[3], natoms, nnei=40)
                loss = tf.reduce_sum(force**2) + tf.reduce_sum(tf.sin(virial)) + e
            return outer.gradient(loss, w)

        results.append(step().numpy())
    assert np.abs(results[0]).max() > 1e-3
    np.testing.assert_allclose(results[0], results[1], rtol=1e-11, atol=1e-12)


def test_unused_atom_virial_costs_nothing(compiled):
    env, natoms = pair_inputs(compiled, SMALL)

    @tf.function
    def step(net):
        with tf.GradientTape() as tape:
            tape.watch(net)
            virial, _ = compiled.prod_virial_se_a(net, env[1], env[2], env[3], natoms, nnei=4)
        return tape.gradient(virial, net)

    graph = step.get_concrete_function(env[0]).graph
    assert "ProdVirialSeAGrad" in {op.type for op in graph.get_operations()}
    assert "GatherV2" not in {op.type for op in graph.get_operations()}


def test_gradients_stop_loudly_at_coordinates(either):
    coord, *rest = CASE.arguments()
    with tf.GradientTape() as tape:
        tape.watch(coord)
        env = either.prod_env_mat_a_mix(coord, *rest, rcut=4.0, rcut_smth=0.5, nnei=10)
    with pytest.raises(LookupError, match="prod_force_se_a"):
        tape.gradient(env[0], coord)
