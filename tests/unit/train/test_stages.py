"""The stages in which a trainer is made, each by itself."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from small_models import dpa2, model_section

from deepattn.config import read_input, upgrade
from deepattn.data import System
from deepattn.errors import ConfigError, DataError, ModelFileError
from deepattn.formats.weight_names import BIAS
from deepattn.statistics import input_blocks, input_statistics, neighbor_statistics
from deepattn.train import make_dataset
from deepattn.train.build import (
    build_optimizer,
    build_schedule,
    build_task_models,
    trained_variables,
)
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.initialize.weights import initialize_weights
from deepattn.train.resolve import (
    resolve_with_data,
    resolve_with_files,
    write_config,
)
from deepattn.train.task import (
    Task,
    make_task_loss,
    make_tasks,
    open_training_data,
    open_validation_data,
)
from deepattn.train.weight_source import WeightSource

from . import toy
from .test_multitask import make_input as multitask_input

SCRATCH = WeightSource()


def read(content):
    return read_input(upgrade(content))


def of_all(config, source=SCRATCH):
    return dict.fromkeys(config.tasks, source)


def training_data(config):
    return {
        name: open_training_data(single, make_task_loss(single), name=name)
        for name, single in config.tasks.items()
    }


def resolved(config, **options):
    config = resolve_with_files(config, of_all(config), Distribution())
    data = training_data(config)
    return resolve_with_data(config, data, of_all(config), Distribution(), **options), data


def tasks_of(config):
    """The tasks of a configuration, with fresh models."""
    (config, _), data = resolved(config)
    return make_tasks(
        config,
        sources=of_all(config),
        losses={name: make_task_loss(single) for name, single in config.tasks.items()},
        data=data,
        validation_data=dict.fromkeys(config.tasks),
        models=build_task_models(config, Distribution()),
    )


def test_seeds_that_are_not_given_follow_from_that_of_the_training(systems):
    config = read(toy.make_input(systems, seed=7))
    seeded = resolve_with_files(config, of_all(config), Distribution())
    assert seeded == resolve_with_files(config, of_all(config), Distribution())
    assert None not in (seeded.model.descriptor.seed, seeded.model.fitting_net.seed)
    assert config.model.descriptor.seed is None
    other = read(toy.make_input(systems, seed=8))
    assert resolve_with_files(other, of_all(other), Distribution()).model != seeded.model


def test_a_restart_has_the_seed_of_its_run(systems):
    config = read(toy.make_input(systems, seed=None))
    header = {"config": {"training": {"seed": 12}}, "step": 3}
    source = WeightSource(mode="restart", path="model.ckpt", model=config.model, header=header)
    assert resolve_with_files(config, {"": source}, Distribution()).training.seed == 12


def test_a_file_of_another_model_is_refused(systems):
    config = read(toy.make_input(systems))
    other = read(toy.make_input(systems, descriptor={"rcut": 2.2}))
    source = WeightSource(mode="init_model", path="model.ckpt", model=other.model)
    with pytest.raises(ModelFileError, match=r"ckpt: differs from the model.*descriptor/rcut"):
        resolve_with_files(config, {"": source}, Distribution())


@pytest.fixture
def frames_read(monkeypatch):
    """How often each frame of each system is read, by path."""
    counts = {}

    def frames(self, indices, **wanted):
        for index in indices:
            counts.setdefault((str(self.path), int(index)), []).append(wanted["labels"])
        return original(self, indices, **wanted)

    original = System.frames
    monkeypatch.setattr(System, "frames", frames)
    return counts


def test_one_pass_over_the_data_counts_for_all_cutoffs(systems, frames_read):
    content = toy.make_input(systems)
    lists = {"nsel": "auto:2.5", "three_body_sel": "auto:0.6"}
    content["model"] = model_section(dpa2(repinit=lists, repformer={"nsel": "auto:1.4"}))
    (config, shortest), data = resolved(read(content))
    # The first frame of a system also tells how large it is; all have the labels of the loss.
    for (_, frame), labels in frames_read.items():
        assert len(labels) == (2 if frame == 0 else 1)
        assert set(labels) == {("energy", "force")}
    assert len(frames_read) == 9
    descriptor = config.model.descriptor
    found = {
        (rcut, factor): neighbor_statistics(
            data[""].systems, rcut=rcut, ntypes=len(config.model.type_map), mixed_types=True
        )
        for rcut, factor in ((3.0, 2.5), (2.2, 0.6), (2.5, 1.4))
    }
    slots = [
        4 * ((int(stat.max_nbor_size[0] * factor) + 3) // 4) for (_, factor), stat in found.items()
    ]
    assert slots == [
        descriptor.repinit.nsel,
        descriptor.repinit.three_body_sel,
        descriptor.repformer.nsel,
    ]
    assert len(set(slots)) == 3
    assert shortest == found[3.0, 2.5].min_nbor_dist


def test_the_pass_over_the_data_checks_them(tmp_path):
    path = Path(toy.write_system(tmp_path / "a", [0, 1, 1], 4))
    force = np.load(path / "set.000/force.npy")
    force[2, 4] = np.nan
    np.save(path / "set.000/force.npy", force)
    config = read(toy.make_input([str(path)]))
    with pytest.raises(DataError, match=r"force.*frame 2"):
        resolved(config)
    (_, shortest), _ = resolved(config, search=False)
    assert shortest is None


def test_without_a_search_a_number_of_neighbors_must_be_given(systems):
    config = read(toy.make_input(systems, descriptor={"sel": "auto"}))
    with pytest.raises(ConfigError, match=r"descriptor/sel is 'auto', which needs"):
        resolved(config, search=False)
    source = WeightSource(mode="finetune", path="m.pb", min_nbor_dist=1.25)
    config = read(toy.make_input(systems))
    found = resolve_with_data(
        config, training_data(config), {"": source}, Distribution(), search=False
    )
    assert found.min_nbor_dist == 1.25


def test_epochs_become_steps(systems):
    content = toy.make_input(systems, numb_epoch=2.5)
    del content["training"]["numb_steps"]
    (config, _), data = resolved(read(content))
    assert config.training.numb_steps == np.ceil(2.5 * data[""].steps_per_epoch())
    assert config.training.numb_epoch is None


def test_tasks_that_share_a_descriptor_share_its_largest_number_of_neighbors(systems):
    config = read(multitask_input(systems, descriptor={"sel": "auto"}))
    (filled, shortest), data = resolved(config)
    search = {"rcut": 2.4, "ntypes": 2, "mixed_types": True}
    stats = [neighbor_statistics(data[name].systems, **search) for name in config.tasks]
    most = [stat.max_nbor_size[0] for stat in stats]
    assert most[0] != most[1]
    for single in filled.tasks.values():
        assert single.model.descriptor.sel == 4 * ((int(1.1 * max(most)) + 3) // 4)
    assert shortest == min(stat.min_nbor_dist for stat in stats)


def test_the_complete_configuration_is_written(here, systems):
    config = read(toy.make_input(systems))
    assert write_config(config, Path("out.json")) is None
    first = Path("out.json").read_bytes()
    assert json.loads(first) == config.to_dict()
    assert write_config(read(toy.make_input(systems, seed=9)), Path("out.json")) == first
    assert Path("out.json").read_bytes() != first


def test_a_dataset_gives_inputs_and_labels_as_two_arguments(systems):
    (data,) = training_data(read(toy.make_input(systems))).values()
    dataset = make_dataset(data).map(lambda inputs, labels: (inputs["coord"], labels["energy"]))
    coord, energy = next(iter(dataset))
    assert coord.shape[0] == energy.shape[0] == 2


def test_no_tuner_that_the_end_of_a_training_would_wait_for(systems):
    (data,) = training_data(read(toy.make_input(systems))).values()
    assert make_dataset(data).options().autotune.enabled is False


def test_validation_data_are_read_as_they_are_opened(systems, frames_read):
    config = read(toy.make_input(systems[:1]))
    assert open_validation_data(config, make_task_loss(config)) is None
    assert not frames_read
    config = read(toy.make_input(systems[:1], valid=systems[1:]))
    data = open_validation_data(config, make_task_loss(config))
    assert [system.nframes for system in data.systems] == [4]
    assert {frame for _, frame in frames_read} == {0, 1, 2, 3}


def test_weights_from_scratch_have_the_statistics_of_the_data(systems):
    (task,) = tasks_of(read(toy.make_input(systems, descriptor={"set_davg_zero": False})))
    fresh = task.model.get_arrays()
    initialize_weights([task])
    (block,) = input_blocks(task.config.model)
    batches = [batch for _, batch in task.data.statistics_batches(10)]
    expected = input_statistics(batches, block.shape, set_davg_zero=False)
    arrays = task.model.get_arrays()
    np.testing.assert_array_equal(arrays[block.davg], expected.davg)
    np.testing.assert_array_equal(arrays[block.dstd], expected.dstd)
    changed = {name for name, array in arrays.items() if not np.array_equal(array, fresh[name])}
    assert changed == {block.davg, block.dstd, BIAS}


def test_one_optimizer_trains_all_tasks(systems):
    tasks = tasks_of(read(multitask_input(systems)))
    config = tasks[0].config
    schedule = build_schedule(config, replicas=1)
    assert schedule.value(0) == pytest.approx(config.learning_rate.start_lr)
    assert schedule.value(config.training.steps) == pytest.approx(config.learning_rate.stop_lr)
    optimizer = build_optimizer(tasks, schedule, Distribution())
    assert {id(task.model.optimizer) for task in tasks} == {id(optimizer)}
    assert isinstance(optimizer, keras.optimizers.Optimizer)
    variables, groups = trained_variables([task.model for task in tasks])
    # The networks are those of both tasks.
    assert set(groups) == {0}
    assert len(variables) == len(tasks[0].model.trainable_variables)


def test_an_optimizer_goes_on_only_from_a_checkpoint(systems):
    (task,) = tasks_of(read(toy.make_input(systems)))
    source = WeightSource(mode="restart", path="m.h5", header={"step": 5, "config": {}})
    arguments = {**vars(task), "start": source}
    schedule = build_schedule(task.config, replicas=1)
    with pytest.raises(ModelFileError, match=r"m.h5: contains no optimizer state"):
        build_optimizer([Task(**arguments)], schedule, Distribution())
