"""Each rule of ``deepattn init`` by itself: what it chooses for which data, and why."""

from dataclasses import replace

import pytest

from deepattn.errors import DataError
from deepattn.suggest import length, loss, nets, sampling
from deepattn.suggest.choice import Choice, merged
from deepattn.suggest.cutoff import cutoff
from deepattn.suggest.descriptor import descriptor
from deepattn.suggest.facts import Facts
from deepattn.suggest.timing import StepTime, representative

WATER = Facts(
    sources=("data",),
    paths=("data/a", "data/b"),
    natoms=(192, 192),
    nframes=(100, 60),
    elements=("O", "H"),
    periodic_frames=160,
    labeled={"energy": 160, "force": 160, "virial": 0},
    shares={"O": 1 / 3, "H": 2 / 3},
    nearest={"O": 0.97, "H": 0.97},
    neighbors={5.0: (52.0, 61), 6.0: (90.0, 101)},
    density=0.1,
    sampled=60,
)
STEP = StepTime(seconds=0.05, steps=5, start=10.0)


def section(choices, name):
    """The values below a section, by key."""
    made = merged([choices] if isinstance(choices, Choice) else choices)
    for part in name.split("/"):
        made = made[part]
    return made


@pytest.mark.parametrize(
    ("changes", "kind", "why"),
    [
        ({}, "se_e2_a", "2 elements in systems with fixed types"),
        ({"elements": tuple("ABCDE")}, "se_e2_a", "5 elements"),
        ({"elements": ("Cu",)}, "se_atten_v2", "a metal: its energies"),
        ({"elements": ("C",)}, "se_e2_a", "1 element"),
        ({"elements": tuple("ABCDEF")}, "se_atten_v2", "there are 6 elements"),
        ({"mixed_types": True}, "se_atten_v2", "mixed types"),
        ({"elements": ("Ag", "Pd")}, "se_atten_v2", "an alloy of 2 elements"),
        ({"elements": ("Ag", "O")}, "se_e2_a", "2 elements"),
        ({"elements": ("Ag", "ghost")}, "se_e2_a", "2 elements"),
    ],
)
def test_descriptor(changes, kind, why):
    choices = descriptor(replace(WATER, **changes))
    made = section(choices, "model/descriptor")
    assert made["type"] == kind and why in choices[0].reason
    if kind == "se_atten_v2":
        assert made["attn_layer"] == 0
        assert section(choices, "model/type_embedding") == {"neuron": [32]}
    else:
        assert made["type_one_side"] is True and len(choices) == 1


def test_vectors_of_very_many_elements_are_shorter():
    many = replace(WATER, elements=tuple(f"X{k}" for k in range(86)))
    choices = descriptor(many)
    assert section(choices, "model/descriptor") == {"type": "se_atten_v2", "attn_layer": 0}
    assert section(choices, "model/type_embedding") == {"neuron": [16]}


def test_cutoff():
    choice = cutoff(WATER)
    assert choice.values == {"model/descriptor/rcut": 5.0, "model/descriptor/rcut_smth": 0.5}
    assert "52 neighbors on average, at most 61 (in 60 frames)" in choice.reason
    far = replace(WATER, nearest={"O": 0.97, "H": 3.2})
    assert cutoff(far).values["model/descriptor/rcut"] == 6.0
    assert "neighbors of H are 3.2 Å away" in cutoff(far).reason
    # A rare element does not decide for all.
    rare = replace(far, shares={"O": 0.97, "H": 0.03})
    assert cutoff(rare).values["model/descriptor/rcut"] == 5.0


def test_prefactors_of_what_the_data_have():
    choice = loss.prefactors(WATER)
    made = section(choice, "loss")
    assert made == {
        "start_pref_e": 1,
        "limit_pref_e": 20,
        "start_pref_f": 1000,
        "limit_pref_f": 10,
    }
    assert "no term for virials" in choice.reason
    some = replace(WATER, labeled={"energy": 160, "force": 160, "virial": 40})
    choice = loss.prefactors(some)
    assert section(choice, "loss")["limit_pref_v"] == 5
    assert "virials in 40 of 160 frames" in choice.reason
    bare = replace(WATER, labeled={"energy": 160, "force": 0, "virial": 0})
    made = section(loss.prefactors(bare), "loss")
    assert made["start_pref_f"] == made["limit_pref_f"] == 0 and made["limit_pref_e"] == 20
    with pytest.raises(DataError, match=r"data: no frame has an energy or forces.*force.npy"):
        loss.prefactors(replace(WATER, labeled={"energy": 0, "force": 0, "virial": 0}))


def test_batches_have_as_few_frames_as_fill_a_core():
    choice = sampling.training_data(WATER)[1]
    assert choice.values == {"training/training_data/batch_size": "auto:64"}
    assert "here 1 frame:" in choice.reason
    small = replace(WATER, natoms=(9, 27))
    assert "here 3 to 8 frames:" in sampling.training_data(small)[1].reason
    assert small.batch_frames(48) == [6, 2] and small.batches(48) == [16, 30]


def test_data_that_need_more_than_an_input_are_mentioned():
    choices = sampling.training_data(replace(WATER, parameters=("fparam",), foreign=True))
    assert "DeePMD-kit does not read these files" in choices[0].reason
    assert "the data have fparam" in choices[2].reason and not choices[2].values


def validation(valid, facts=WATER, steps=10000):
    (choice,) = sampling.validation_data(facts, valid, steps=steps, evaluations=40)
    return choice


def test_validation_is_not_invented():
    choice = validation(None)
    assert not choice.values and "none are set aside" in choice.reason
    named = replace(WATER, paths=("data/train", "data/valid/a"))
    assert "data/valid/a, by its name meant for that" in validation(None, named).reason


def test_validation_sees_all_frames_if_there_is_time():
    valid = replace(WATER, sources=("v",), natoms=(192,), nframes=(80,))
    choice = validation(valid)
    assert choice.values["training/validation_data/systems"] == ["v"]
    # Four frames have 600 atoms; a tenth of the time of 10,000 frames is for 24 of these batches.
    assert choice.values["training/validation_data/numb_btch"] == 20
    short = validation(valid, steps=1000)
    assert short.values["training/validation_data/numb_btch"] == 2
    assert "2 of 20 batches" in short.reason
    strange = replace(valid, elements=("O", "Na"))
    assert "Na occurs only here" in validation(strange).reason


def test_steps_fit_into_the_time():
    choice = length.steps(10, STEP, steps_per_pass=160)
    # 0.85 × (600 − 10) s / 0.05 s, two digits.
    assert choice.values == {"training/numb_steps": 10000}
    assert choice.reason.startswith("measured: 0.05 s per step (5 steps on this machine), 10 s")
    assert "; estimated: 9.97 minutes of the 10 given; 62.5 passes" in choice.reason


def test_steps_have_bounds_that_are_named():
    few = length.steps(1, STEP, steps_per_pass=10)
    assert few.values["training/numb_steps"] == 850 and "at least 2000 steps" in few.reason
    part = length.steps(1, STEP, steps_per_pass=10000)
    assert "not all frames are seen" in part.reason
    long = length.steps(6000, STEP, steps_per_pass=160)
    assert long.values["training/numb_steps"] == 160000
    assert "more would hardly lower the errors" in long.reason
    assert length.steps(0.01, STEP, steps_per_pass=160).values["training/numb_steps"] == 1


@pytest.mark.parametrize("count", [1, 5, 39, 100, 4400, 1_000_000])
def test_files_are_written_in_every_training(count):
    made = section(length.files(count), "training")
    assert 1 <= made["disp_freq"] <= made["save_freq"] <= count
    assert count // made["disp_freq"] <= 60


def test_nets_seeds_and_precision_are_those_of_all_sections():
    sections = ("descriptor", "fitting_net")
    made = merged([nets.nets(), nets.precision(sections), nets.seeds(sections)])
    for name in sections:
        assert made["model"][name]["precision"] == "float32" and made["model"][name]["seed"] == 1
    assert made["training"] == {"seed": 1}
    with pytest.raises(ValueError, match="is chosen twice"):
        merged([nets.nets(), nets.nets()])


def test_time_is_measured_on_systems_of_all_sizes():
    paths = tuple(f"s{k}" for k in range(100))
    # Of ten large systems only one frame each: nearly all steps are of small ones.
    facts = replace(
        WATER, paths=paths, natoms=(50,) * 90 + (500,) * 10, nframes=(100,) * 90 + (1,) * 10
    )
    chosen = representative(facts)
    assert len(chosen) == 8 and not {*chosen} & {*paths[90:]}
    many = replace(facts, nframes=(1,) * 90 + (100,) * 10)
    assert len({*representative(many)} & {*paths[90:]}) == 7
    assert representative(WATER) == ["data/a", "data/b"]
