"""The command line: exit codes, streams, one sentence for every error."""

import argparse
import logging
import os
import subprocess
import sys

import pytest

import deepattn
from deepattn.cli import completion
from deepattn.cli import main as module
from deepattn.cli.log import set_up_logging
from deepattn.cli.main import full_parser, main
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


_PROGRAM = """
import atexit, sys, threading, time
from deepattn.cli.main import program

class Late:
    def __del__(self):
        print("freed")

kept = Late()
atexit.register(print, "handler", end=" ")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread", end=" "))).start()
program()
"""


@pytest.mark.parametrize(
    ("word", "status", "out"),
    [
        ("--version", 0, f"deepattn {deepattn.__version__}\nthread handler "),
        ("nonsense", 2, "thread handler "),
    ],
)
def test_the_process_ends_without_freeing_its_objects(word, status, out):
    """But threads and handlers are waited for, and all output is there."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM, word], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, out)
    assert ("'nonsense' is not a command" in done.stderr) == (status == 2)


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


@pytest.fixture
def bug(monkeypatch, tmp_path):
    """A command with a bug, in an empty folder."""
    import deepattn.cli.freeze

    def fail(args):
        raise ZeroDivisionError("by \x1b[31mzero\nand more")

    monkeypatch.setattr(deepattn.cli.freeze, "run", fail)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_bug_is_one_sentence_and_a_file_with_the_traceback(bug, capsys):
    assert main(["freeze", "-c", "a b"]) == 1
    captured = capsys.readouterr()
    (report,) = bug.iterdir()
    assert captured.out == "" and captured.err.count("\n") == 1 and "\x1b" not in captured.err
    assert captured.err.startswith("deepattn: error: ZeroDivisionError: by \\x1b[31mzero; this is")
    assert f"The traceback is in {report.name}: please report it" in captured.err
    text = report.read_text()
    for part in (f"deepattn {deepattn.__version__}, Python 3", "tensorflow 2.", "in fail\n"):
        assert part in text
    assert "command: deepattn freeze -c 'a b'\n" in text


def test_a_bug_where_nothing_can_be_written(bug, capsys, monkeypatch):
    elsewhere = bug / "elsewhere"
    elsewhere.mkdir()
    from deepattn.cli import bug as report

    monkeypatch.setattr(report.tempfile, "gettempdir", lambda: str(elsewhere))
    real = report.Path.write_text

    def refuse(path, *args, **kwargs):
        if path.parent != elsewhere:
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(report.Path, "write_text", refuse)
    assert main(["freeze"]) == 1
    assert f"The traceback is in {elsewhere}/deepattn-error-" in capsys.readouterr().err
    monkeypatch.setattr(report.tempfile, "gettempdir", lambda: str(bug / "nowhere"))
    assert main(["freeze"]) == 1
    err = capsys.readouterr().err
    assert "in fail\n" in err and err.splitlines()[-1].endswith("report it with the traceback.")


def test_debug_shows_the_traceback_too(bug, capsys):
    assert main(["freeze", "-v", "DEBUG"]) == 1
    assert "in fail\n" in capsys.readouterr().err and len(list(bug.iterdir())) == 1


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


@pytest.mark.parametrize(
    ("argv", "advice"),
    [
        (["trian"], "'trian' is not a command; did you mean train?"),
        (["check-nev"], "did you mean check-nve?"),
        (["frobnicate"], "'frobnicate' is not a command\n"),
        (["test", "--sistem", "x"], "unrecognized argument --sistem; did you mean --system?"),
        (
            ["train", "i.json", "--restrat=c"],
            "argument --restrat=c; did you mean --restart?",
        ),
        (["show", "m.pb", "wieghts"], "did you mean weights?"),
        (
            ["pretrained", "info", "x", "--jsno"],
            "unrecognized argument --jsno; did you mean --json?",
        ),
        (["pretrained", "donwload", "x"], "invalid choice: 'donwload'"),
        (["\x1b[31m"], "is not a command"),
        (["train", "i.json", "\x1b[31m"], "unrecognized argument \\x1b[31m"),
    ],
)
def test_what_may_have_been_meant_is_said(argv, advice, capsys):
    with pytest.raises(SystemExit) as leave:
        main(argv)
    assert leave.value.code == 2
    err = capsys.readouterr().err
    assert advice in err and "\x1b" not in err


@pytest.mark.parametrize(
    ("argv", "level"),
    [
        (["-v", "ERROR", "freeze"], "ERROR"),
        (["freeze", "-v", "ERROR"], "ERROR"),
        (["-v", "ERROR", "freeze", "-v", "DEBUG"], "DEBUG"),
        (["--log-level=1", "-l", "log.txt", "freeze"], "1"),
        (["freeze"], "INFO"),
    ],
)
def test_the_log_options_may_stand_before_the_command(argv, level):
    args = module._parser(argv).parse_args(argv)
    assert args.command == "freeze" and args.log_level == level
    assert args.log_path == ("log.txt" if "-l" in argv else None)


def test_summaries_are_those_of_the_commands():
    (commands,) = (a for a in module.full_parser()._actions if a.dest == "command")
    assert {action.dest: action.help for action in commands._choices_actions} == module._COMMANDS


@pytest.mark.parametrize(
    "argv",
    [
        ["-v", "ERROR", "pretrained", "list"],
        ["pretrained", "-v", "ERROR", "list"],
        ["pretrained", "list", "-v", "ERROR"],
    ],
)
def test_the_log_options_may_stand_at_every_level(argv):
    assert module._parser(argv).parse_args(argv).log_level == "ERROR"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_and_options(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    options = [] if shell == "tcsh" else ["--skip-neighbor-stat"]
    for word in ("check-model", "lcurve", "DPA-2.4-7M", *options):
        assert word in script


def test_completion_knows_all_words_for_files():
    """A word that stands for a file is in the help of some command."""
    pending, words = [full_parser()], set()
    while pending:
        for action in pending.pop()._actions:
            words.add(action.metavar)
            if isinstance(action, argparse._SubParsersAction):
                pending.extend(action.choices.values())
    assert {*completion._FILES, *completion._FOLDERS} <= words


def test_bash_completes(tmp_path):
    script = subprocess.run(
        [sys.executable, "-m", "deepattn", "completion", "bash"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # As bash does when the tab key is pressed.
    ask = (
        "COMP_WORDS=(deepattn tra); COMP_CWORD=1; _shtab_deepattn deepattn tra deepattn; "
        'echo "${COMPREPLY[@]}"; COMP_WORDS=(deepattn train --rest); COMP_CWORD=2; '
        '_shtab_deepattn deepattn --rest train; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script + "\n" + ask], capture_output=True, text=True)
    assert done.stdout.split() == ["train", "--restart"], done.stderr
