"""Multi-task inputs: splitting, sharing, and refusals."""

import copy

import pytest

from deepattn.config import config_from_dict, read_input, take_sections, upgrade
from deepattn.errors import ConfigError


def make_input():
    """Two branches with all parts shared."""
    return {
        "model": {
            "type_embedding": {"neuron": [4]},
            "shared_dict": {
                "types": ["O", "H"],
                "net": {"type": "dpa1", "sel": "auto", "rcut": 3.0, "attn_layer": 0},
                "fit": {"neuron": [5, 5], "dim_case_embd": 2},
            },
            "model_dict": {
                "B": {"type_map": "types", "descriptor": "net", "fitting_net": "fit"},
                "A": {"type_map": "types", "descriptor": "net:1", "fitting_net": "fit"},
            },
        },
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5},
        "loss_dict": {"A": {}, "B": {"start_pref_e": 3.0}},
        "training": {
            "data_dict": {
                "A": {"training_data": {"systems": ["a"]}},
                "B": {"training_data": {"systems": "b"}, "validation_data": {"systems": ["v"]}},
            },
            "model_prob": {"A": 1, "B": 2.5},
            "numb_steps": 3,
        },
    }


def read(data):
    return read_input(upgrade(data))


def test_every_branch_is_an_input_of_its_own():
    config = read(make_input())
    assert list(config.tasks) == ["B", "A"]
    task = config.tasks["B"]
    assert task.loss.start_pref_e == 3.0
    assert task.training.validation_data.systems == ("v",)
    assert config.tasks["A"].training.validation_data is None
    assert task.model.type_embedding.neuron == (4,)
    assert task.model.descriptor == config.tasks["A"].model.descriptor
    assert config.branches["A"].links["descriptor"].level == 1
    assert config.model_prob == {"A": 1.0, "B": 2.5}


def test_only_the_other_backends_have_several_tasks():
    assert all(task.model.convention == "common" for task in read(make_input()).tasks.values())
    data = make_input()
    data["model"]["convention"] = "tensorflow"
    assert all(task.model.convention is None for task in read(data).tasks.values())


def test_the_complete_input_says_the_same():
    config = read(make_input())
    complete = config.to_dict()
    assert config_from_dict(complete) == config
    assert read(complete).to_dict() == complete


def test_keys_of_the_model_section_are_defaults_of_the_branches():
    data = make_input()
    data["model"]["data_stat_nbatch"] = 3
    data["model"]["model_dict"]["A"]["data_stat_nbatch"] = 4
    numbers = {name: task.model.data_stat_nbatch for name, task in read(data).tasks.items()}
    assert numbers == {"B": 3, "A": 4}


def test_an_adapted_part_is_that_of_all_who_share_it():
    from deepattn.config import with_neighbors

    config = read(make_input())
    tasks = {"B": with_neighbors(config.tasks["B"], {"sel": 12}), "A": config.tasks["A"]}
    assert [t.model.descriptor.sel for t in config.with_tasks(tasks).tasks.values()] == [12, 12]


def test_sections_of_a_pretrained_model_replace_the_inputs():
    stored = read(make_input()).tasks["B"].model.to_dict()
    stored["descriptor"]["rcut"] = 5.0
    data = make_input()
    data["model"]["shared_dict"]["net"]["trainable"] = False
    data["model"]["model_dict"]["A"]["fitting_net"] = {"neuron": [9], "dim_case_embd": 2}
    taken = read(take_sections(data, {"A": stored, "B": stored}))
    for task in taken.tasks.values():
        assert task.model.descriptor.rcut == 5.0
        assert task.model.descriptor.trainable is False
        assert task.model.fitting_net.neuron == (5, 5)


def put(path, value):
    """A change of an input: a value at a path; Ellipsis removes the key."""

    def change(data):
        *folders, key = path.split("/")
        for folder in folders:
            data = data[folder]
        if value is ...:
            del data[key]
        else:
            data[key] = value

    return change


BRANCH = "model/model_dict/A"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("model/model_dict", {}), "model/model_dict is {}; it must be a mapping of branches"),
        (put("model/model_dict/a b", {}), "has the branch 'a b'; a name may contain only letters"),
        (put("model/model_dict/RANDOM", {}), "has the branch 'RANDOM'"),
        (put(BRANCH, 3), "model/model_dict/A is 3; it must be a mapping"),
        (put("training/data_dict", ...), "training/data_dict is required"),
        (put("training/data_dict/A", ...), "training/data_dict lacks the branch A"),
        (
            put("training/data_dict/C", {}),
            "training/data_dict/C is not a branch of model/model_dict",
        ),
        (put("training/data_dict/A/batch", 1), "training/data_dict/A/batch is not a key"),
        (put("loss_dict/A", ...), "loss_dict lacks the branch A"),
        (put("loss_dict/A/start_pref_e", -1), "loss_dict/A/start_pref_e is -1.0; it must be at"),
        (put("training/model_prob/A", -1), "training/model_prob/A is -1; it must be a number of"),
        (put("training/model_prob", {"A": 0, "B": 0}), "model_prob has no positive weight"),
        (put("training/num_epoch_dict", {"A": 1, "B": 1}), "has both of numb_steps and num_epoch"),
        (put("training/numb_steps", ...), "has neither of numb_steps and num_epoch_dict"),
        (put("training/training_data", {}), "training/training_data is for single-task inputs"),
        (put("loss", {}), "loss is for single-task inputs; with model/model_dict use loss_dict"),
        (put(f"{BRANCH}/descriptor", "x"), "A/descriptor is 'x', but model/shared_dict has types"),
        (put(f"{BRANCH}/descriptor", "net:x"), "after the colon it must have a whole number"),
        (put(f"{BRANCH}/descriptor", "net:2"), "a se_atten can be shared at level 0 or 1"),
        (put(f"{BRANCH}/fitting_net", "fit:1"), "a fitting_net can be shared at level 0"),
        (put(f"{BRANCH}/fitting_net", "net"), "net is used as descriptor and as fitting_net"),
        (put(f"{BRANCH}/type_map", ["O", "H"]), "type_map must be the name of an entry"),
        (put(f"{BRANCH}/finetune_head", 1), "A/finetune_head is 1; it must be a string"),
        (put(f"{BRANCH}/model_branch_alias", ["B"]), "has 'B', which is the name of a branch"),
        (
            put(f"{BRANCH}/data_stat_protect", 0.1),
            "A/data_stat_protect is 0.1, but that of B is 0.01",
        ),
        (put(f"{BRANCH}/convention", "tensorflow"), "A/convention differs from that of B"),
        (put(f"{BRANCH}/nosuch", 1), "model/model_dict/A/nosuch is not a key"),
        (put("model/shared_dict/other", {}), "model/shared_dict/other is used by no branch"),
        (put("model/shared_dict/net/rcut", -1), "model/shared_dict/net/rcut is -1.0; it must be"),
        (put("model/shared_dict/fit/dim_case_embd", 3), "fit/dim_case_embd is 3; it must be the"),
    ],
)
def test_refused(change, message):
    data = make_input()
    change(data)
    with pytest.raises(ConfigError) as caught:
        read(data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_type_maps_are_refused():
    data = make_input()
    data["model"]["shared_dict"]["more"] = ["O", "H", "C"]
    data["model"]["model_dict"]["A"]["type_map"] = "more"
    with pytest.raises(ConfigError, match="have the type maps types and more"):
        read(data)


def test_the_input_is_not_modified():
    data = make_input()
    before = copy.deepcopy(data)
    read(data)
    assert data == before


def test_keys_of_several_tasks_need_model_dict():
    data = make_input()
    del data["model"]["model_dict"]
    with pytest.raises(ConfigError, match=r"model/shared_dict .* model/model_dict"):
        read(data)
