"""The command line: exit codes, streams, one sentence for every error."""

import logging
import os
import subprocess
import sys

import pytest

import deepattn
from deepattn.cli import main as module
from deepattn.cli.log import set_up_logging
from deepattn.cli.main import main
from deepattn.errors import ConfigError


def test_version(capsys):
    with pytest.raises(SystemExit) as leave:
        main(["--version"])
    assert leave.value.code == 0
    assert capsys.readouterr().out == f"deepattn {deepattn.__version__}\n"


def test_no_command_prints_help(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "train" in out and "freeze" in out and "test" in out


@pytest.mark.parametrize(
    "argv",
    [
        ["nonsense"],
        ["train"],
        ["train", "in.json", "-r", "a", "-f", "b.pb"],
        ["train", "in.json", "-v", "LOUD"],
        ["freeze", "--nonsense"],
    ],
)
def test_wrong_arguments_leave_with_2(argv, capsys):
    with pytest.raises(SystemExit) as leave:
        main(argv)
    assert leave.value.code == 2
    assert "error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence", "status"),
    [
        (ConfigError("model/rcut is -1;\n it must be positive."), "model/rcut is -1; it must", 1),
        (OSError(28, "No space left on device", "model.ckpt-10.h5"), "model.ckpt-10.h5: No sp", 1),
        (OSError("odd"), "odd", 1),
        (MemoryError(), "out of memory", 1),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
)
def test_errors_become_one_sentence(monkeypatch, capsys, error, sentence, status):
    import deepattn.cli.freeze

    def fail(args):
        raise error

    monkeypatch.setattr(deepattn.cli.freeze, "run", fail)
    assert main(["freeze"]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"deepattn: error: {sentence}")
    assert captured.err.count("\n") == 1


def test_bugs_keep_their_traceback(monkeypatch):
    import deepattn.cli.freeze

    def fail(args):
        raise ZeroDivisionError

    monkeypatch.setattr(deepattn.cli.freeze, "run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["freeze"])


def test_missing_input_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "absent.json"]) == 1
    assert "absent.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_missing_checkpoint(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["freeze", "-c", "model.ckpt"]) == 1
    assert "model.ckpt" in capsys.readouterr().err


def test_thread_variables_reach_tensorflow(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "7")
    monkeypatch.setenv("DP_INTRA_OP_PARALLELISM_THREADS", "3")
    monkeypatch.setenv("DP_INTER_OP_PARALLELISM_THREADS", "5")
    module._prepare_environment()
    assert os.environ.pop("TF_NUM_INTRAOP_THREADS") == "3"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "7"
    monkeypatch.setenv("DP_INTRA_OP_PARALLELISM_THREADS", "many")
    with pytest.raises(ConfigError, match="DP_INTRA_OP_PARALLELISM_THREADS"):
        module._prepare_environment()


def test_log_goes_to_stderr_and_to_a_file(tmp_path, capsys):
    path = tmp_path / "log.txt"
    set_up_logging("WARNING", str(path))
    log = logging.getLogger("deepattn.train.loop")
    try:
        log.info("quiet")
        log.warning("loud")
    finally:
        set_up_logging()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("] DEEPATTN WARNING loud\n")
    assert captured.err.count("\n") == 1
    assert path.read_text().endswith(f"DEEPATTN WARNING {'deepattn.train.loop':45s} loud\n")


def test_help_is_fast_because_tensorflow_is_not_imported():
    code = (
        "import sys\n"
        "from deepattn.cli.main import main\n"
        "try:\n    main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'tensorflow' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", module._COMMANDS)
def test_every_command_explains_itself(name, capsys):
    """A description, and an example that its own parser takes."""
    with pytest.raises(SystemExit) as leave:
        main([name, "--help"])
    assert leave.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    _, _, example = text.partition(f"example: deepattn {name} ")
    assert example, text
    words = example.partition(" > ")[0].split()
    args = module._parser([name, *words]).parse_args([name, *words])
    assert args.command == name and callable(args.run)


def test_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "deepattn", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"deepattn {deepattn.__version__}\n"
