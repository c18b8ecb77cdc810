"""Exported files are run once before they get their names."""

import numpy as np
import pytest
import tensorflow as tf
from small_models import dpa2, model_section, small_model

from deepattn.config import normalize_model
from deepattn.descriptors import SeE2A
from deepattn.errors import ModelFileError
from deepattn.export import freeze, save_model
from deepattn.formats.weight_names import BIAS
from deepattn.train.file_bias import change_bias

SECTION = {"type": "se_e2_a", "sel": [0, 6]}
SCRIPT = {"model": normalize_model(model_section(SECTION))}


def not_a_number(model):
    arrays = model.get_arrays()
    arrays[BIAS] = np.array([np.nan, 0.0])
    model.set_arrays(arrays)
    return model


def test_a_graph_that_does_not_run(tmp_path, monkeypatch):
    """One whose shapes fit when it is made, and are ambiguous when it is run."""

    def ambiguous(self, radial, center):
        rows = tf.reshape(tf.transpose(radial[:, :0]), [-1, 0, self.neuron[-1]])
        columns = tf.tile(radial[:, :, tf.newaxis], [1, 1, self.neuron[-1]])
        return tf.concat([rows, columns], axis=1)

    monkeypatch.setattr(SeE2A, "_embed_blocks", ambiguous)
    path = tmp_path / "model.pb"
    path.write_bytes(b"the older one")
    with pytest.raises(ModelFileError, match=r"model.pb: is not written, as the graph does not"):
        freeze(small_model(SECTION), path, training_script=SCRIPT)
    assert path.read_bytes() == b"the older one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_graph_of_numbers_that_are_none(tmp_path):
    model = small_model(SECTION)
    good = freeze(model, tmp_path / "good.pb", training_script=SCRIPT)
    with pytest.raises(ModelFileError, match=r"bad.pb: is not written, as .* energy of nan"):
        freeze(not_a_number(model), tmp_path / "bad.pb", training_script=SCRIPT)
    assert list(tmp_path.iterdir()) == [good]


def test_a_changed_bias_is_tried_too(tmp_path, monkeypatch):
    good = freeze(small_model(SECTION), tmp_path / "good.pb", training_script=SCRIPT)
    found = change_bias(good, tmp_path / "new.pb", energies=[1.0, 2.0])
    assert list(found.values()) == [(0.0, 1.0), (0.0, 2.0)]
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("deepattn.train.file_bias._assigned", lambda *_: np.array([np.nan, 0.0]))
    with pytest.raises(ModelFileError, match=r"other.pb: is not written"):
        change_bias(good, tmp_path / "other.pb", energies=[1.0, 2.0])
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_a_saved_model_of_numbers_that_are_none(tmp_path):
    script = {"model": normalize_model(model_section(dpa2()))}
    with pytest.raises(ModelFileError, match=r"m.savedmodeltf: is not written, as energy"):
        save_model(
            not_a_number(small_model(dpa2())), tmp_path / "m.savedmodeltf", training_script=script
        )
    assert not list(tmp_path.iterdir())
