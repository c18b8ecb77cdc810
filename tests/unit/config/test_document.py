"""The schema as others read it."""

import json
from pathlib import Path

import jsonschema
import pytest

from deepattn.cli.main import main
from deepattn.config import load_input, normalize, upgrade
from deepattn.config.document import FORMS, document

ROOT = Path(__file__).resolve().parents[3]
INPUTS = [ROOT / "examples" / "alloy" / "input.json", ROOT / "benchmarks" / "water.json"]


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(document("json_schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.parent.name)
def test_inputs_fit_the_schema(validator, path):
    given = load_input(path)
    assert list(validator.iter_errors(given)) == []
    complete = json.loads(json.dumps(normalize(upgrade(given))))
    assert [(list(e.path), e.message) for e in validator.iter_errors(complete)] == []


@pytest.mark.parametrize(
    "change, place",
    [
        (lambda x: x["model"]["descriptor"].update(type="dpa9"), "model/descriptor/type"),
        (lambda x: x["model"]["descriptor"].update(rcut="six"), "model/descriptor/rcut"),
        (lambda x: x["learning_rate"].pop("start_lr"), "learning_rate"),
        (lambda x: x["training"].update(disp_freq=1.5), "training/disp_freq"),
    ],
)
def test_mistakes_do_not(validator, change, place):
    given = load_input(INPUTS[0])
    change(given)
    assert place in {"/".join(map(str, error.path)) for error in validator.iter_errors(given)}


def test_refused_keys_are_left_out():
    for form in FORMS:
        text = document(form)
        assert "start_pref_e" in text and "nvnmd" not in text
    with pytest.raises(ValueError, match="form must be one of"):
        document("html")


def test_command_prints_it_and_nothing_else(capsys):
    assert main(["doc-train-input", "--out-type", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "input"
    assert main(["doc-train-input"]) == 0
    assert capsys.readouterr().out == document("rst") + "\n"
