"""Dynamics as jobs: the frames are those of dynamics in the process, and bad jobs are named."""

import importlib.util
import json

import numpy as np
import pytest
from ase import Atoms
from small_models import small_model

from deepattn.distill.config import ExploreConfig
from deepattn.distill.explore import explore
from deepattn.distill.potential import ModelPotential
from deepattn.errors import ConfigError, DataError
from deepattn.export import freeze
from deepattn.learn import read_learn
from deepattn.learn.dynamics.config import DynamicsJobsConfig
from deepattn.learn.dynamics.jobs import DynamicsJobs

needs_dpdispatcher = pytest.mark.skipif(
    importlib.util.find_spec("dpdispatcher") is None, reason="dpdispatcher is not installed"
)
SETTINGS = {"steps": 4, "every": 2, "closest": 0.1, "seed": [3, 1], "title": "dynamics"}


def jobs(**keys):
    return DynamicsJobs(DynamicsJobsConfig.from_dict(DynamicsJobsConfig.complete(keys, "jobs")))


def structures():
    """Atoms around the points of a lattice."""
    places = 2.0 * np.indices((2, 2, 1)).reshape(3, -1).T
    found = []
    for seed in range(2):
        atoms = Atoms("OHOH", places, cell=[4.0, 4.5, 5.0], pbc=True)
        atoms.rattle(0.1, seed=seed)
        found.append(atoms)
    return found


@needs_dpdispatcher
@pytest.mark.slow
def test_frames_of_jobs_are_those_of_this_process(tmp_path):
    path = freeze(small_model({"type": "se_e2_a"}), tmp_path / "model.pb", training_script={})
    potential = ModelPotential(path)
    full = ExploreConfig.complete({"temperatures": [200, 400], "runs": 1}, "explore")
    config = ExploreConfig.from_dict(full)
    expected = explore(potential, structures(), config, **SETTINGS)
    folder = tmp_path / "dynamics"
    for _ in range(2):  # the second call finds what is done
        found = jobs(parallel=2, wait=0.5).explore(
            potential, structures(), config, folder=folder, **SETTINGS
        )
        assert (found.runs, found.stopped) == (expected.runs, expected.stopped) == (2, {})
        assert found.atom_steps > 0 and len(found.frames) == len(expected.frames) == 4
        for one, other in zip(found.frames, expected.frames, strict=True):
            # Files of frames have eight digits.
            np.testing.assert_allclose(one.positions, other.positions, atol=1e-6)
            assert one.info == other.info
    assert json.loads((folder / "part-1" / "task.json").read_text())["numbers"] == [1]
    (folder / "part-1" / "status").write_text("1\n")
    (folder / "part-1" / "stderr").write_text("first\nno space left\n\n")
    with pytest.raises(DataError, match=r"part-1: dynamics ended with status 1: no space left; "):
        jobs(parallel=2).explore(potential, structures(), config, folder=folder, **SETTINGS)


def test_section_of_jobs(tmp_path):
    given = {"systems": "a.xyz", "labels": {"type": "calculator", "calculator": "my:emt"}}
    path = tmp_path / "loop.json"
    path.write_text(json.dumps({"learn": {**given, "explore": {"jobs": {"parallel": 3}}}}))
    config, _ = read_learn(path)
    assert config.explore.jobs.parallel == 3 and config.explore.jobs.machine is None
    path.write_text(json.dumps({"learn": {**given, "explore": {"jobs": {"machine": {}}}}}))
    with pytest.raises(ConfigError, match="explore/jobs/machine needs learn/explore/jobs/resour"):
        read_learn(path)
