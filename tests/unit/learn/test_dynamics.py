"""Dynamics as jobs: the frames are those of dynamics in the process, and bad jobs are named."""

import importlib.util
import json

import numpy as np
import pytest
from ase import Atoms
from small_models import small_model

from deepattn.distill.potential import ModelPotential
from deepattn.errors import ConfigError, DataError
from deepattn.export import freeze
from deepattn.learn import read_learn
from deepattn.learn.dynamics.config import LearnExploreConfig
from deepattn.learn.dynamics.engine import Exploration

needs_dpdispatcher = pytest.mark.skipif(
    importlib.util.find_spec("dpdispatcher") is None, reason="dpdispatcher is not installed"
)
SETTINGS = {"steps": 4, "every": 2, "closest": 0.1, "title": "dynamics"}


def configuration(**jobs):
    full = LearnExploreConfig.complete(
        {"temperatures": [200, 400], "runs": 1, "engine": {"jobs": jobs}}, "explore"
    )
    return LearnExploreConfig.from_dict(full)


def explored(exploration, folder, **jobs):
    """What jobs with some keys find."""
    return configuration(wait=0.2, **jobs).engine.open().explore(exploration, folder)


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
    exploration = Exploration(
        ModelPotential(path), structures(), configuration(), seed=(3, 1), **SETTINGS
    )
    full = LearnExploreConfig.complete({"temperatures": [200, 400], "runs": 1}, "explore")
    here = LearnExploreConfig.from_dict(full).engine.open()
    expected = here.explore(exploration, tmp_path / "unused")
    folder = tmp_path / "dynamics"
    with pytest.raises(
        DataError, match=r"part-0: dynamics failed: the command ended with status 3"
    ):
        explored(exploration, folder, parallel=2, command="echo no space left >&2; exit 3")
    # The next call repeats what failed, another one finds what is done, with other jobs too.
    for parallel in (2, 1):
        found = explored(exploration, folder, parallel=parallel)
        assert (found.runs, found.stopped) == (expected.runs, expected.stopped) == (2, {})
        assert found.atom_steps > 0 and len(found.frames) == len(expected.frames) == 4
        for one, other in zip(found.frames, expected.frames, strict=True):
            # Files of frames have eight digits.
            np.testing.assert_allclose(one.positions, other.positions, atol=1e-6)
            assert one.info == other.info
    assert json.loads((folder / "part-1" / "task.json").read_text())["numbers"] == [1]


def test_section_of_jobs(tmp_path):
    given = {"systems": "a.xyz", "labels": {"type": "calculator", "calculator": "my:emt"}}
    path = tmp_path / "loop.json"

    def read(jobs):
        path.write_text(json.dumps({"learn": {**given, "explore": {"engine": {"jobs": jobs}}}}))
        return read_learn(path)[0].explore.engine.jobs

    assert read({"parallel": 3}).parallel == 3 and read({"parallel": 3}).machine is None
    where = "learn/explore/engine/jobs"
    with pytest.raises(ConfigError, match=f"{where}/machine needs {where}/resources"):
        read({"machine": {}})
