"""Files of models of QM/MM by pairs, and what there is none of."""

import keras
import numpy as np
import pytest
from pairwise_models import frames, section

from deepattn.calculator import DP
from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ConfigError, DataError, ModelFileError
from deepattn.export import compress, convert, freeze
from deepattn.formats.frozen import read_frozen
from deepattn.infer import DeepPot
from deepattn.infer.inspect import Inspection
from deepattn.models import build_model, load_model, open_model_file
from deepattn.testing import check_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def model():
    return build_model(ModelConfig.from_dict(normalize_model(section())))


@pytest.fixture(scope="module")
def graph(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("pairwise") / "model.pb"
    return freeze(model, path, training_script={"model": normalize_model(section())})


@pytest.fixture(scope="module")
def potential(graph):
    with DeepPot(graph) as opened:
        yield opened


def evaluate(potential, inputs, **options):
    arguments = (inputs[key] for key in ("coord", "box", "atype"))
    return potential.eval(*arguments, aparam=inputs["aparam"], mixed_type=True, **options)


def test_all_files_are_the_same_potential(model, potential, tmp_path):
    inputs = frames()
    expected = model(inputs)
    model.save(tmp_path / "model.keras")
    for one in (potential, DeepPot(tmp_path / "model.keras")):
        assert one.get_dim_aparam() == 1 and one.get_rcut() == 5.0
        energy, force, virial, atom_energy, atom_virial = evaluate(one, inputs, atomic=True)
        for found, key in (
            (energy[:, 0], "energy"),
            (force, "force"),
            (virial, "virial"),
            (atom_energy[..., 0], "atom_energy"),
            (atom_virial, "atom_virial"),
        ):
            np.testing.assert_allclose(found, expected[key], rtol=0, atol=1e-12, err_msg=key)


def test_models_of_files_have_one_type_embedding(model, graph, tmp_path):
    inputs = frames()
    model.save(tmp_path / "model.keras")
    rebuilt, _ = load_model(graph)
    for one in (rebuilt, keras.saving.load_model(tmp_path / "model.keras")):
        assert one.terms[0].model.type_embedding is one.type_embedding
        assert len(one.trainable_weights) == len(model.trainable_weights)
        np.testing.assert_array_equal(one(inputs)["force"], model(inputs)["force"])


def test_the_names_in_a_graph_are_those_of_deepmd(model, graph):
    frozen = read_frozen(graph)
    nodes, names = frozen.graph.nodes, frozen.graph.constants()
    assert {"t_mesh", "t_box", "t_aparam"} <= set(nodes)
    for scope in ("filter_type_all", "layer_0", "descrpt_attr", "fitting_attr"):
        for suffix in ("_qm", "_qmmm"):
            assert any(name.startswith(f"{scope}{suffix}/") for name in names)
    assert frozen.of_residues and frozen.daparam == 1 and not frozen.graph.is_only_rebuilt
    embeddings = [name for name in names if name.startswith("type_embed_net")]
    assert embeddings == ["type_embed_net/matrix_1"]
    contents = Inspection(graph)
    size, sections = contents.size(), section()
    assert size["statistics"] == 2 * (2 * 4 * 48 + 4)
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert size["trained parameters"] == trained
    for shown, key in ((contents.descriptor(), "rcut"), (contents.fitting_net(), "seed")):
        part = "descriptor" if key == "rcut" else "fitting_net"
        wanted = {name: sections[name][part][key] for name in ("qm_model", "qmmm_model")}
        assert {name: one[key] for name, one in shown.items()} == wanted


def test_results_that_there_are_not(graph, potential):
    inputs = frames(1)
    arguments = (inputs["coord"], None, inputs["atype"][0], None, inputs["aparam"])
    with pytest.raises(ModelFileError, match="no descriptor of an atom"):
        potential.eval_descriptor(*arguments)
    with pytest.raises(ModelFileError, match="no last_layer of an atom"):
        potential.eval_fitting_last_layer(*arguments)
    with pytest.raises(ModelFileError, match="parts of frames, so it finds neighbors by itself"):
        from ase.neighborlist import NewPrimitiveNeighborList

        DeepPot(graph, neighbor_list=NewPrimitiveNeighborList([3.0]))


def test_the_calculator_takes_residues(model, graph):
    from ase import Atoms

    inputs = frames(1)
    atoms = Atoms("CHHCHHCHC", positions=inputs["coord"][0], info={"aparam": inputs["aparam"][0]})
    calculator = DP(graph, type_dict={"C": 0, "H": 1})
    atoms.calc = calculator
    inputs["atype"] = np.array([[0, 1, 1, 0, 1, 1, 0, 1, 0]], np.int32)
    expected = model(inputs)
    np.testing.assert_allclose(atoms.get_potential_energy(), expected["energy"][0], atol=1e-10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({0: 0.5}, "atom 0 of frame 1 has the aparam 0.5, which is no residue"),
        ({3: -2.0}, "atom 3 of frame 1 has the aparam -2, which is no residue"),
        ({4: 2.0**24 + 1}, "the aparam 16777217, .* their residue, at most 16777216, and"),
        ({0: 1.0, 2: 1.0, 5: 1.0}, "frame 1 has no QM atom; give QM atoms the aparam 0"),
    ],
)
def test_parameters_that_are_no_residues_are_refused(potential, values, message):
    inputs = frames()
    for atom, value in values.items():
        inputs["aparam"][1, atom] = value
    with pytest.raises(DataError, match=message):
        evaluate(potential, inputs)


def test_residues_of_virtual_atoms_may_be_anything(potential):
    inputs = frames()
    inputs["atype"][0, 4], inputs["aparam"][0, 4] = -1, 0.5
    assert np.isfinite(evaluate(potential, inputs)[0]).all()


@pytest.mark.parametrize("suffix", [".dp", ".pt", ".savedmodeltf"])
def test_other_backends_have_no_such_models(graph, tmp_path, suffix):
    with pytest.raises((ModelFileError, ConfigError), match="pairwise_dprc"):
        convert(graph, tmp_path / f"model{suffix}")
    assert not list(tmp_path.iterdir())


def test_what_is_for_one_model_is_refused(model, graph):
    with pytest.raises(ConfigError, match=r"pairwise_dprc.* cannot be compressed"):
        compress(model, min_nbor_dist=1.0)
    with pytest.raises(ConfigError, match="no Hessians of models of QM/MM by pairs"):
        model.hessian(frames())
    with pytest.raises(ConfigError, match=r"pairwise_dprc.* cannot be checked"):
        check_model(model)
    with pytest.raises(ValueError, match="aparam must be given"):
        model({key: value for key, value in frames().items() if key != "aparam"})
    with pytest.raises(ModelFileError, match="combination of models cannot be changed"):
        open_model_file(graph).energy_bias()


def test_a_term_takes_no_residues(model, graph):
    alone = {"type": "standard", **section()["qm_model"]}
    frozen = {"type": "frozen", "model_file": str(graph)}
    combined = {"type": "linear_ener", "type_map": model.type_map, "models": [alone, frozen]}
    config = ModelConfig.from_dict(normalize_model({**combined, "weights": "sum"}))
    with pytest.raises(ModelFileError, match="has frame or atomic parameters, which a term cannot"):
        build_model(config)
