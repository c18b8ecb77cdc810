"""Bad input is one sentence that says what and where; never a crash, never a wrong number."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn.ops import reference

from .cases import inline_mesh, random_case

GOOD = random_case("triclinic", natoms=6, nnei=8, virtual=False)
OPEN = random_case("open", natoms=6, nnei=8, virtual=False)
ROWS = [[j for j in range(6) if j != i] for i in range(6)]


def changed(name, index, value, case=GOOD):
    array = getattr(case, name).copy()
    array[index] = value
    return case.with_(**{name: array})


def relisted(row, position, value):
    rows = [list(r) for r in ROWS]
    rows[row][position] = value
    return OPEN.with_(mesh=inline_mesh(rows))


def remeshed(position, value):
    mesh = inline_mesh(ROWS)
    mesh[position] = value
    return OPEN.with_(mesh=mesh)


# What is wrong -> the case, the compiled op's sentence.
FRAMES = {
    "NaN": (changed("coord", (1, 4, 0), np.nan), "frame 1: the coordinates of atom 4 are not"),
    "infinity": (changed("coord", (0, 2, 1), np.inf), "frame 0: the coordinates of atom 2 are not"),
    "high type": (changed("atype", (1, 3), 2), "frame 1: atom 3 has type 2, but there are only 2"),
    "same place": (
        changed("coord", (1, 5), GOOD.coord[1, 2]),
        "frame 1: atoms 2 and 5 are at the same place",
    ),
    "same place, open": (
        changed("coord", (0, 1), OPEN.coord[0, 0], OPEN),
        "frame 0: atoms 0 and 1 are at the same place",
    ),
    "zero box": (GOOD.with_(box=np.zeros((2, 9))), "frame 0: the box has no volume"),
    "flat box": (changed("box", (1, slice(6, 9)), GOOD.box[1, 3:6]), "frame 1: the box has no vol"),
    "neighbor beyond": (relisted(3, 1, 6), "frame 0: the neighbor list of atom 3 has entry 6"),
    "negative neighbor": (relisted(2, 0, -7), "the neighbor list of atom 2 has entry -7"),
    "own neighbor": (relisted(1, 2, 1), "list of atom 1 has entry 1, which is the atom itself"),
    "center beyond": (remeshed(16, 6), "row 0 of the neighbor list belongs to atom 6"),
    "center twice": (remeshed(17, 0), "row 1 of the neighbor list belongs to atom 0, .* twice"),
    "count too high": (remeshed(22, 6), "mesh has length 58, but its neighbor counts need 59"),
    "negative count": (remeshed(22, -5), "mesh has length 58, but its neighbor counts need 53"),
    "list cut": (OPEN.with_(mesh=inline_mesh(ROWS)[:25]), "no room for the neighbor counts of 6"),
}


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("fault", FRAMES)
def test_bad_frames(compiled, fault, dtype):
    case, sentence = FRAMES[fault]
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        case.mix(compiled, dtype)


@pytest.mark.parametrize("fault", FRAMES)
def test_reference_refuses_the_same(fault):
    with pytest.raises(tf.errors.InvalidArgumentError):
        FRAMES[fault][0].mix(reference)


def test_box_far_below_the_cutoff(compiled):
    with pytest.raises(tf.errors.InvalidArgumentError, match="frame 0: the box is too thin"):
        GOOD.with_(box=GOOD.box * 1e-4).mix(compiled)


def test_many_images_are_fine(compiled):
    case = random_case("cubic", natoms=1, nframes=1, nnei=4000, virtual=False)
    case = case.with_(box=0.7 * np.eye(3).reshape(1, 9), rcut=5.0)
    count = case.mix(compiled)[5].sum()
    steps = np.arange(-8, 9) * 0.7
    square = steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2
    assert count == (square < 25).sum() - 1


ARGUMENTS = {  # index of the argument, its replacement, the sentence
    "coord": (0, tf.zeros((2, 17), tf.float64), r"coord must have the shape \[\?, 18\]"),
    "coord rank": (0, tf.zeros(36, tf.float64), "coord must have|rank 2"),
    "type": (1, tf.zeros((2, 5), tf.int32), r"type must have the shape \[2, 6\], not \[2,5\]"),
    "natoms short": (2, tf.constant([6, 6]), "natoms must be a vector"),
    "natoms rank": (2, tf.constant([[6, 6, 0, 0]]), "natoms must be a vector|rank 1"),
    "negative nloc": (2, tf.constant([-1, 6, 0, 0]), "0 <= nloc <= nall|Dimension|negative"),
    "nall below nloc": (2, tf.constant([6, 5, 0, 0]), "not nloc = 6 and nall = 5"),
    "ghosts in a box": (2, tf.constant([5, 6, 0, 0]), "needs nall == nloc"),
    "more types": (2, tf.constant([6, 6, 0, 0, 0]), r"davg must have the shape \[3, 32\]"),
    "huge nall": (2, tf.constant([6, 2**31 - 1, 0, 0]), "coord must have the shape"),
    "box": (3, tf.zeros((2, 6), tf.float64), r"box must have the shape \[2, 9\]"),
    "box frames": (3, tf.zeros((1, 9), tf.float64), r"box must have the shape \[2, 9\]"),
    "mesh": (4, tf.zeros(5, tf.int32), "length must be 0, 1, 6, 7, 16 or more, not 5"),
    "mesh rank": (4, tf.zeros((1, 6), tf.int32), "mesh must be a vector"),
    "davg": (5, tf.zeros((2, 31), tf.float64), r"davg must have the shape \[2, 32\]"),
    "dstd": (6, tf.zeros((1, 32), tf.float64), r"dstd must have the shape \[2, 32\]"),
}


@pytest.mark.parametrize("fault", ARGUMENTS)
def test_bad_shapes(compiled, fault):
    index, value, sentence = ARGUMENTS[fault]
    arguments = list(GOOD.arguments())
    arguments[index] = value
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=sentence):
        compiled.prod_env_mat_a_mix(*arguments, rcut=4.0, rcut_smth=0.5, nnei=8)


@pytest.mark.parametrize(
    "attributes",
    [
        {"rcut": 0.0, "rcut_smth": 0.0, "nnei": 8},
        {"rcut": -1.0, "rcut_smth": -2.0, "nnei": 8},
        {"rcut": float("nan"), "rcut_smth": 0.5, "nnei": 8},
        {"rcut": 4.0, "rcut_smth": 4.5, "nnei": 8},
        {"rcut": 4.0, "rcut_smth": 0.5, "nnei": -1},
        {"rcut": 4.0, "rcut_smth": 0.5, "nnei": 2**40},
    ],
)
def test_bad_attributes(compiled, attributes):
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        compiled.prod_env_mat_a_mix(*GOOD.arguments(), **attributes)


def test_blocks_for_another_number_of_types(compiled):
    with pytest.raises(tf.errors.InvalidArgumentError, match="sel_a has 3 entries for 2 types"):
        compiled.prod_env_mat_a(*GOOD.arguments(), rcut=4.0, rcut_smth=0.5, sel=[2, 3, 3])


def pair_arguments():
    env = GOOD.mix(reference)
    return {
        "net_deriv": tf.constant(env[0]),
        "in_deriv": tf.constant(env[1]),
        "rij": tf.constant(env[2]),
        "nlist": tf.constant(env[3]),
        "natoms": tf.constant(GOOD.natoms),
    }


@pytest.mark.parametrize("name", ["net_deriv", "in_deriv", "rij", "nlist", "natoms"])
def test_bad_shapes_of_pairs(compiled, name):
    arguments = pair_arguments()
    arguments[name] = arguments[name][..., :-3]
    with pytest.raises(tf.errors.InvalidArgumentError, match="must"):
        compiled.prod_virial_se_a(**arguments, nnei=8)
    if name != "rij":
        del arguments["rij"]
        with pytest.raises(tf.errors.InvalidArgumentError, match="must"):
            compiled.prod_force_se_a(**arguments, nnei=8)


def test_neighbor_beyond_the_last_atom(either):
    arguments = pair_arguments()
    nlist = arguments["nlist"].numpy()
    nlist[1, 17] = 6
    arguments["nlist"] = tf.constant(nlist)
    with pytest.raises(tf.errors.InvalidArgumentError, match="nlist"):
        either.prod_virial_se_a(**arguments, nnei=8)
    del arguments["rij"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="nlist"):
        either.prod_force_se_a(**arguments, nnei=8)


def test_the_first_fault_is_the_one_reported(compiled):
    arguments = pair_arguments()
    del arguments["rij"]
    nlist = np.array(arguments["nlist"])
    nlist[0, 3 * 8] = nlist[1, :] = 99
    arguments["nlist"] = tf.constant(nlist)
    for _ in range(5):
        with pytest.raises(tf.errors.InvalidArgumentError, match="frame 0: nlist of atom 3 has"):
            compiled.prod_force_se_a(**arguments, nnei=8)
