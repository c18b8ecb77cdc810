"""Commands that need no TensorFlow do not import it, nor do those that cannot do their work."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_models import model_section, small_model

from deepattn.config import normalize_model
from deepattn.export import convert, freeze
from deepattn.formats.checkpoint import write_checkpoint

ROOT = Path(__file__).parents[3]

# Arguments, and the status.
COMMANDS = {
    "help": (["train", "--help"], 0),
    "init from absent data": (["init", "absent", "-o", "new.json"], 1),
    "init over an input": (["init", "data"], 1),
    "absent input": (["train", "absent.json"], 1),
    "input that is no JSON": (["train", "broken.json"], 1),
    "unknown key": (["train", "unknown.json"], 1),
    "unknown key, to be fine-tuned": (["train", "unknown.json", "-i", "model.pb"], 1),
    "absent checkpoint": (["train", "input.json", "--restart", "absent"], 1),
    "absent pretrained model": (["train", "input.json", "--finetune", "absent.pb"], 1),
    "freeze": (["freeze", "-c", "absent"], 1),
    "freeze into nowhere": (["freeze", "-c", "model.pb", "-o", "absent/x.pb"], 1),
    "convert-backend": (["convert-backend", "absent.pb", "x.dp"], 1),
    "convert-from": (["convert-from", "-i", "absent.pb"], 1),
    "convert-from into nowhere": (["convert-from", "-i", "model.pb", "-o", "absent/x.pb"], 1),
    "compress": (["compress", "-i", "absent.pb"], 1),
    "compress a model with attention": (["compress", "-i", "model.pb"], 1),
    "compress by an absent input": (["compress", "-i", "model.pb", "-t", "absent.json"], 1),
    "test": (["test", "-m", "absent.pb", "-s", "data"], 1),
    "test on absent data": (["test", "-m", "model.pb", "-s", "absent"], 1),
    "test on an absent list": (["test", "-m", "model.pb", "-f", "absent"], 1),
    "change-bias": (["change-bias", "absent.pb", "-s", "data"], 1),
    "change-bias by absent data": (["change-bias", "model.pb", "-s", "absent"], 1),
    "check-nve": (["check-nve", "absent.pb", "data"], 1),
    "check-nve of absent atoms": (["check-nve", "model.pb", "absent.xyz"], 1),
    "check-model": (["check-model", "absent.pb"], 1),
    "check-model on absent data": (["check-model", "model.pb", "-s", "absent"], 1),
    "distill": (["distill", "absent.pb", "distill.json"], 1),
    "distill by an absent input": (["distill", "model.pb", "absent.json"], 1),
    "learn by an absent input": (["learn", "absent.json"], 1),
    "learn by an input without labels": (["learn", "learn.json"], 1),
    "model-devi": (["model-devi", "-m", "model.pb", "absent.pb", "-s", "data"], 1),
    "model-devi on absent data": (["model-devi", "-m", "model.pb", "-s", "absent"], 1),
    "eval-desc": (["eval-desc", "-m", "absent.pb", "-s", "data"], 1),
    "eval-desc on absent data": (["eval-desc", "-m", "model.pb", "-s", "absent"], 1),
    "embed": (["embed", "-m", "absent.pb", "-s", "data"], 1),
    "embed absent data": (["embed", "-m", "model.pb", "-s", "absent"], 1),
    "neighbor-stat": (["neighbor-stat", "-s", "absent", "-r", "4"], 1),
    "diagnose": (["diagnose", "absent"], 1),
    "diagnose by an absent input": (["diagnose", "--input", "absent.json"], 1),
    "plot": (["plot", "lcurve", "absent"], 1),
    "convert": (["convert", "data", "-o", "converted"], 0),
    "doc-train-input": (["doc-train-input"], 0),
    "completion": (["completion", "bash"], 0),
    "pretrained": (["pretrained", "list"], 0),
    "pretrained model that is not known": (["pretrained", "info", "absent"], 1),
    "pretrained model that is not there": (["test", "-m", "DPA-2.4-7M", "-s", "data"], 1),
    "uncertainty": (
        ["uncertainty", "fit", "-m", "absent.pb", "-s", "data", "--held-out", "data"],
        1,
    ),
    "uncertainty from absent data": (
        ["uncertainty", "fit", "-m", "model.pb", "-s", "absent", "--held-out", "data"],
        1,
    ),
    "show a graph": (["show", "model.pb"], 0),
    "show weights": (["show", "model.pb", "weights", "--json"], 0),
    "show a file of no backend": (["show", "model.dp"], 0),
    "show a checkpoint": (["show", "model.ckpt"], 0),
}
CODE = """
import json, os, sys
from deepattn.cli.main import main
for name, (words, status) in json.loads(sys.argv[1]).items():
    try:
        found = main(words)
    except SystemExit as leave:
        found = leave.code
    assert found == status, f"{name}: {found}"
    imported = {"tensorflow", "keras"} & sys.modules.keys()
    assert not imported, f"{name} imports {imported}"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a small model in every kind of file, a system and inputs, good and bad."""
    monkeypatch.chdir(tmp_path)
    script = {"model": normalize_model(model_section())}
    freeze(small_model(), "model.pb", training_script=script)
    model = small_model(convention="common")
    script = {"model": normalize_model(model_section(convention="common"))}
    weights = {f"weights/{name}": array for name, array in model.get_arrays().items()}
    header = {"config": script, "interface_dtype": "float64", "min_nbor_dist": 1.0, "step": 1}
    write_checkpoint("model.ckpt", 1, weights, header, keep=1)
    convert("model.ckpt", "model.dp")
    sets = tmp_path / "data" / "set.000"
    sets.mkdir(parents=True)
    (tmp_path / "data" / "type.raw").write_text("0 1 1\n")
    (tmp_path / "data" / "type_map.raw").write_text("O H\n")
    np.save(sets / "coord.npy", np.array([[0, 0, 0, 1, 0, 0, 0, 1, 0.0]]))
    np.save(sets / "box.npy", 9.0 * np.eye(3).reshape(1, 9))
    np.save(sets / "energy.npy", np.zeros(1))
    np.save(sets / "force.npy", np.zeros((1, 9)))
    training = {"training_data": {"systems": ["data"]}, "numb_steps": 1}
    good = {"model": model_section(), "learning_rate": {"start_lr": 1e-3}, "training": training}
    Path("input.json").write_text(json.dumps(good))
    Path("unknown.json").write_text(json.dumps({**good, "traning": {}}))
    Path("broken.json").write_text("{")
    Path("distill.json").write_text(json.dumps({"distill": {}}))
    Path("learn.json").write_text(json.dumps({"learn": {"systems": "data"}}))


def test_tensorflow_is_imported_where_it_works_only(folder):
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(COMMANDS)],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "DEEPATTN_CACHE": "cache",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_help_imports_hardly_anything():
    code = (
        "import sys\nfrom deepattn.cli.main import main\n"
        "try:\n    main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'tensorflow', 'numpy', 'dargs', 'ase'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
