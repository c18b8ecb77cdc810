"""Graphs where the compiled ops are missing: the model is rebuilt, and says where that matters."""

import pytest
from small_models import model_section, small_model

from deepattn.errors import ModelFileError
from deepattn.export import compress, freeze
from deepattn.infer import DeepPot


def test_a_compressed_graph_needs_them(tmp_path, monkeypatch):
    options = {"attn_layer": 0, "tebd_input_mode": "strip"}
    model = compress(small_model(options), min_nbor_dist=0.9)
    path = freeze(model, tmp_path / "model.pb", training_script={"model": model_section(options)})
    monkeypatch.setattr("deepattn.infer.opening.has_ops", lambda frozen: False)
    with pytest.raises(ModelFileError, match=r"model\.pb: is compressed and needs the compiled"):
        DeepPot(path)


@pytest.mark.parametrize("exclude, warnings", [([], 0), ([[0, 1]], 1)])
def test_exclusion_in_attention_is_warned_of(tmp_path, monkeypatch, caplog, exclude, warnings):
    options = {"exclude_types": exclude, "attn_layer": 1, "sel": 20}
    script = {"model": model_section(options)}
    path = freeze(small_model(options), tmp_path / "model.pb", training_script=script)
    DeepPot(path).close()
    assert not caplog.records
    monkeypatch.setattr("deepattn.infer.opening.has_ops", lambda frozen: False)
    DeepPot(path).close()
    assert sum("exclude_types" in record.message for record in caplog.records) == warnings
