"""Forked programs are as fresh processes: what they are given, and how they end."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import processes
import pytest

SAY = "import json, os, sys; print(json.dumps([sys.argv, os.getcwd(), sys.path[0], __name__]))"


@pytest.fixture(autouse=True, scope="module")
def _others_keep_their_servers():
    """Small servers of this module do not push out those that imported much."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "_servers", {})
        yield
        processes.close()


def start(*words, imports=("numpy",), **options):
    return processes.start([sys.executable, *words], imports=imports, **options)


def run(*words, imports=("numpy",), **options):
    return processes.run([sys.executable, *words], imports=imports, timeout=120, **options)


def is_forked(process):
    return isinstance(process._child, processes._Forked)


@pytest.fixture
def program(tmp_path):
    """A folder with a program and a module next to it."""
    (tmp_path / "neighbor.py").write_text("NAME = 'neighbor'\n")
    (tmp_path / "program.py").write_text(f"import neighbor\n{SAY}\nprint(__file__)\n")
    return tmp_path


@pytest.mark.parametrize(
    "words", [("program.py", "a", "b c"), ("-m", "program", "a"), ("-c", SAY, "a")]
)
def test_arguments_folder_and_path(program, words):
    """Whatever a fresh process says."""
    fresh = subprocess.run(
        [sys.executable, *words], cwd=program, capture_output=True, text=True, check=True
    )
    done = run(*words, cwd=program)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == fresh.stdout
    assert str(program) in done.stdout


@pytest.mark.parametrize(
    ("code", "status", "errors"),
    [
        ("", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("(", 1, "SyntaxError: '(' was never closed\n"),
        ("import os; os._exit(7)", 7, ""),
        ("import os; os.abort()", -signal.SIGABRT, ""),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt\n"),
        ("import atexit, os; atexit.register(os._exit, 5)", 5, ""),
    ],
)
def test_the_end(code, status, errors):
    done = run("-c", code)
    assert done.returncode == status
    assert done.stderr.endswith(errors) and bool(done.stderr) == bool(errors)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_the_program(tmp_path, number):
    code = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(600)"
    with start("-c", code, cwd=tmp_path) as process:
        assert is_forked(process)
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        os.kill(process.pid, number)
        assert process.wait(60) == -number == process.returncode == process.poll()
        process.send_signal(number)  # to nobody


def test_what_takes_too_long_is_killed():
    with pytest.raises(subprocess.TimeoutExpired):
        processes.run(
            [sys.executable, "-c", "import time; time.sleep(600)"], imports=(), timeout=0.1
        )


def test_a_program_leaves_nothing_for_the_next():
    change = "import os, json, numpy; os.environ['X'] = 'y'; json.X = numpy.X = 1; os.chdir('/')"
    assert run("-c", change).returncode == 0
    ask = "import os, json, numpy; assert not hasattr(json, 'X') and not hasattr(numpy, 'X')"
    assert run("-c", f"{ask} and 'X' not in os.environ and os.getcwd() != '/'").returncode == 0


def test_each_environment_has_its_server(monkeypatch):
    ask = ("-c", "import os; print(os.environ.get('SETTING'))")
    monkeypatch.delenv("SETTING", raising=False)
    assert run(*ask).stdout == "None\n"
    monkeypatch.setenv("SETTING", "one")
    assert run(*ask).stdout == "one\n"
    assert run(*ask, env={**os.environ, "SETTING": "two"}).stdout == "two\n"
    assert len(processes._servers) <= processes.MOST_SERVERS
    monkeypatch.delenv("SETTING")
    assert run(*ask).stdout == "None\n"


def test_random_numbers_differ():
    ask = "import random, numpy as np; print(random.random(), np.random.random())"
    found = [run("-c", ask).stdout.split() for _ in range(2)]
    assert set(found[0]).isdisjoint(found[1])


def test_modules_are_imported_before():
    ask = ("-c", "import sys; print('colorsys' in sys.modules)")
    assert run(*ask).stdout == "False\n"
    assert run(*ask, imports=("colorsys",)).stdout == "True\n"


def test_a_module_that_is_missing():
    with pytest.raises(RuntimeError, match="No module named 'no_such_module'"):
        run("-c", "", imports=("no_such_module",))


def test_beside_threads_nothing_is_forked(tmp_path):
    (tmp_path / "threaded.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=[1], daemon=True).start()\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with start("-c", "print('fresh')", imports=("threaded",), env=env) as process:
        assert not is_forked(process)
        assert process.communicate(120) == ("fresh\n", "")


def test_threads_share_a_server():
    processes.close()
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(run, "-c", f"import sys; sys.exit({n})") for n in range(4)]
    assert [each.result().returncode for each in done] == [0, 1, 2, 3]
    assert len(processes._servers) == 1


def test_a_server_ends_with_its_tests():
    processes.close()
    assert run("-c", "").returncode == 0
    servers = [server._process for server in processes._servers.values()]
    assert all(server.poll() is None for server in servers)
    processes.close()
    assert servers and all(server.returncode == 0 for server in servers)
