"""Graphs where the compiled ops are missing: the model is rebuilt, and says where that matters."""

import pytest
from small_models import model_section, small_model

from deepattn.export import freeze
from deepattn.infer import DeepPot


@pytest.mark.parametrize("exclude, warnings", [([], 0), ([[0, 1]], 1)])
def test_exclusion_in_attention_is_warned_of(tmp_path, monkeypatch, caplog, exclude, warnings):
    options = {"exclude_types": exclude, "attn_layer": 1, "sel": 20}
    script = {"model": model_section(options)}
    path = freeze(small_model(options), tmp_path / "model.pb", training_script=script)
    DeepPot(path).close()
    assert not caplog.records
    monkeypatch.setattr("deepattn.infer.deep_pot._has_ops", lambda frozen: False)
    DeepPot(path).close()
    assert sum("exclude_types" in record.message for record in caplog.records) == warnings
