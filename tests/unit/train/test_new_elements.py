"""Fine-tuning with elements that the pretrained model does not know."""

import json

import numpy as np
import pytest

from deepattn.data import System
from deepattn.errors import DataError, ModelFileError
from deepattn.export import freeze
from deepattn.formats.weight_names import BIAS
from deepattn.infer import DeepPot
from deepattn.periodic_table import most_alike
from deepattn.train import train

from . import toy

ROWS = "type_embed_net/matrix_1"
STATISTICS = ("descrpt_attr/t_avg", "descrpt_attr/t_std")
# Widths are multiples of eight: in the rest of a vector TensorFlow's tanh rounds otherwise, and
# what is the rest depends on the number of types.
KINDS = {
    "concat": ({"neuron": [8]}, {"attn_layer": 1}),
    "biased": (
        {"neuron": [8, 8], "activation_function": "tanh", "use_tebd_bias": True},
        {"exclude_types": [[0, 1]]},
    ),
    "strip": (
        {"neuron": [8]},
        {"tebd_input_mode": "strip", "smooth_type_embedding": True, "neuron": [8, 16]},
    ),
    "electrons": ({"neuron": [8], "use_econf_tebd": True}, {}),
}


def pretrain(folder, systems, embedding=KINDS["concat"][0], descriptor=None, **model):
    """A model with random weights, as ``old.pb`` in a folder."""
    trainer = toy.run(
        folder,
        systems,
        model={"type_embedding": embedding, **model},
        descriptor=descriptor,
        numb_steps=0,
    )
    script = trainer.config.to_dict()
    freeze(trainer.model, folder / "old.pb", training_script=script, min_nbor_dist=1.0)
    return trainer


@pytest.fixture(scope="module")
def pretrained(systems, tmp_path_factory):
    """The file of a model that knows O and H."""
    folder = tmp_path_factory.mktemp("pretrained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pretrain(folder, systems)
    return str(folder / "old.pb")


def finetune(here, systems, type_map, *, start="old.pb", **training):
    data = toy.make_input(systems, **{"numb_steps": 0, **training})
    data["model"] = {"type_map": type_map}
    (here / "input.json").write_text(json.dumps(data))
    return train("input.json", finetune=start)


@pytest.fixture
def with_sulfur(tmp_path):
    """Frames of O, H and S, which the data number in an order of their own."""
    path = toy.write_system(tmp_path / "sulfur", [2, 0, 1, 2, 1, 1], 5, seed=8)
    (tmp_path / "sulfur" / "type_map.raw").write_text("H\nO\nS\n")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_of_known_elements_is_unchanged(here, systems, with_sulfur, kind, caplog):
    embedding, descriptor = KINDS[kind]
    old = pretrain(here, systems, embedding, descriptor)
    with caplog.at_level("INFO", "deepattn"):
        new = finetune(here, [with_sulfur], ["S", "H", "O"])
    assert new.config.model.type_map == ("O", "H", "S")
    assert "S is new: its type embedding" in caplog.text
    before, after = old.model.get_arrays(), new.model.get_arrays()
    for name, array in before.items():
        rows = slice(None) if name not in (ROWS, BIAS, *STATISTICS) else slice(len(array))
        if name != BIAS:
            np.testing.assert_array_equal(after[name][rows], array, err_msg=name)
    if kind != "electrons":
        np.testing.assert_array_equal(after[ROWS][2], before[ROWS][0])  # that of oxygen
    spread = after[STATISTICS[1]]
    assert spread[2, 0] != 1 / 2.4 and spread[2, 0] not in spread[:2, 0]
    # But for the bias, which is fitted, the new model says what the old one says; sums may be in
    # another order where there are more types.
    new.model.set_arrays({**after, BIAS: np.append(before[BIAS], 5.0)})
    for path in systems:
        inputs, _ = System(path, type_map=["O", "H"]).frames(range(4))
        ours, theirs = new.model(inputs), old.model(inputs)
        for name in ("energy", "force", "virial", "atom_energy"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-13, err_msg=name)


@pytest.mark.slow
def test_training_goes_on_and_restarts_and_the_graph_runs(here, systems, with_sulfur, pretrained):
    both, names = [*systems, with_sulfur], ["O", "H", "S"]
    begun = finetune(here, both, names, start=pretrained, numb_steps=3)
    script = json.loads((here / "out.json").read_text())
    assert script["model"]["type_map"] == names
    script["training"]["numb_steps"] = 5
    (here / "longer.json").write_text(json.dumps(script))
    new = train("longer.json", restart="model.ckpt")
    assert (begun.start.step, new.start.step) == (0, 3)
    assert not np.array_equal(new.model.get_arrays()[ROWS], begun.model.get_arrays()[ROWS])
    freeze(new.model, "new.pb", training_script=new.config.to_dict(), min_nbor_dist=1.0)
    inputs, _ = System(with_sulfur, type_map=["O", "H", "S"]).frames([0])
    with DeepPot("new.pb") as model:
        assert model.get_type_map() == ["O", "H", "S"]
        energy, *_ = model.eval(inputs["coord"], inputs["box"], inputs["atype"][0])
    expected = np.asarray(new.model(inputs)["energy"])
    np.testing.assert_allclose(energy[:, 0], expected, rtol=1e-12)


def test_the_bias_of_the_new_element_makes_up_for_what_is_missing(here, systems, with_sulfur):
    """All frames have one composition, which cannot separate new elements from old ones."""
    old = pretrain(here, systems, fitting_net={"neuron": [5, 5], "atom_ener": [-1.0, None]})
    new = finetune(here, [with_sulfur], ["O", "H", "S"])
    assert new.config.model.fitting_net.atom_ener == (-1.0, None, None)
    before, after = old.model.get_arrays()[BIAS], new.model.get_arrays()[BIAS]
    np.testing.assert_allclose(after[:2], before, atol=1e-9)
    inputs, labels = System(with_sulfur, type_map=["O", "H", "S"]).frames(range(5))
    predicted = np.asarray(new.model(inputs)["energy"])
    assert (predicted - labels["energy"]).mean() == pytest.approx(0, abs=1e-8)


def test_names_that_are_no_elements_start_at_random(here, with_sulfur, pretrained, caplog):
    path = f"{with_sulfur}/type_map.raw"
    with open(path, "w") as file:
        file.write("H\nO\nS_hot\n")
    with caplog.at_level("INFO", "deepattn"):
        new = finetune(here, [with_sulfur], ["O", "H", "S_hot"], start=pretrained)
    assert "S_hot is new and not an element: its type embedding is drawn at random" in caplog.text
    rows = new.model.get_arrays()[ROWS]
    assert rows[2].all() and not (rows[2] == rows[:2]).any()


@pytest.mark.parametrize("width", [3, 4])
def test_type_embeddings_with_a_shortcut_are_refused(here, systems, with_sulfur, width):
    pretrain(here, systems, {"neuron": [width]})
    with pytest.raises(ModelFileError, match=rf"{width} wide.*cannot be added"):
        finetune(here, [with_sulfur], ["O", "H", "S"])


def test_elements_without_data_are_refused(here, systems, pretrained):
    with pytest.raises(DataError, match=r"does not have Xe, and no frame .* contains such atoms"):
        finetune(here, systems, ["O", "H", "Xe"], start=pretrained)


@pytest.mark.parametrize(
    "symbol, known, expected",
    [
        ("S", ["H", "O", "P", "Cl"], "O"),
        ("S", ["O", "Se", "Te"], "Se"),
        ("Li", ["H", "Na", "Mg"], "Na"),
        ("Li", ["H"], None),
        ("Ti", ["V", "Zr", "Hf"], "Zr"),
        ("Co", ["Ni", "Mn", "Na"], "Ni"),
        ("La", ["Ba", "Y", "Ce", "Hf"], "Ce"),
        ("La", ["Sr", "Y", "Ti"], "Y"),
        ("Y", ["Zr", "La"], "La"),
        ("Na", ["O", "Mg"], "Mg"),
        ("S", ["H_1", "O_2"], None),
        ("X1", ["H", "O"], None),
    ],
)
def test_most_alike(symbol, known, expected):
    assert most_alike(symbol, known) == expected
