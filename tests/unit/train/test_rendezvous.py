"""Workers connect in spite of other callers, and do not wait for one that has stopped."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ports import free_addresses

from deepattn.errors import ConfigError, DistributionError
from deepattn.train.distributed.rendezvous import rendezvous
from deepattn.train.distributed.secret import VARIABLE, cluster_secret

SECRET = b"of these tests alone"
OTHER = b"another one of them"

# A worker that meets, and then sits in a call that holds Python's lock, as TensorFlow's start does,
# after SIGTERM was taken away from Python. Nothing here imports TensorFlow, to be quick.
_SITTING = """
import ctypes, os, sys, types
import deepattn

package = types.ModuleType("deepattn.train")
package.__path__ = [os.path.join(deepattn.__path__[0], "train")]
sys.modules["deepattn.train"] = package
from deepattn.train.distributed.rendezvous import rendezvous

addresses, place, timeout, seconds = eval(sys.argv[1])
libc = ctypes.PyDLL(None)
secret = b"of these tests alone"
with rendezvous(addresses, place, secret=lambda: secret, timeout=timeout) as barrier:
    with barrier.watched():
        libc.signal(15, ctypes.c_void_p(1))
        print("sits", flush=True)
        libc.sleep(seconds)
    print("rises", flush=True)
    barrier.wait_for_all()
print("through", flush=True)
"""


def gather(addresses, place, *, secret=SECRET, timeout=60.0):
    with rendezvous(addresses, place, secret=lambda: secret, timeout=timeout) as barrier:
        barrier.wait_for_all()


def call(address):
    """A connection to a worker, once that listens."""
    host, port = address.split(":")
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection((host, int(port)), timeout=20)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def idle(address, stop):
    with call(address) as connection:
        stop.wait()
        connection.close()


def drip(address, stop):
    """A byte now and then, and no end of the line."""
    with call(address) as connection:
        try:
            while not stop.wait(0.1):
                connection.sendall(b"a")
        except OSError:
            pass


def babble(address, stop):
    host, port = address.split(":")
    call(address).close()
    for number in range(100):
        try:
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(os.urandom(number * 20) + b"\n" * (number % 2))
        except OSError:
            pass


def pose(address, stop):
    """A message that once authenticated a worker."""
    with call(address) as connection:
        connection.sendall(b"deepattn worker 1 of 3\n")


@pytest.fixture(params=[[idle] * 12, [idle] * 80, [drip] * 3, [babble] * 2, [pose] * 3])
def strangers(request):
    """Addresses of three workers, the first of which strangers call."""
    addresses, stop = free_addresses(3), threading.Event()
    with ThreadPoolExecutor(len(request.param)) as pool:
        for stranger in request.param:
            pool.submit(stranger, addresses[0], stop)
        yield addresses
        stop.set()


def test_workers_meet_among_strangers(strangers):
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(gather, strangers, 0)
        time.sleep(0.5)
        others = [pool.submit(gather, strangers, place) for place in (1, 2)]
        for future in (first, *others):
            future.result(timeout=30)


def test_strangers_cannot_block_the_rendezvous(strangers):
    began = time.monotonic()
    with pytest.raises(
        DistributionError, match=r"worker 1 \(127.0.0.1:\d+\), 2 .* has not connected"
    ):
        gather(strangers, 0, timeout=1.5)
    assert time.monotonic() - began < 6


def test_missing_workers_are_named():
    addresses = free_addresses(3)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(gather, addresses, place, timeout=0.5) for place in (0, 2)]
        with pytest.raises(
            DistributionError, match=r"worker 1 \(127.0.0.1:\d+\) has not connected"
        ):
            futures[0].result()
        with pytest.raises(DistributionError, match=r"worker 0 at .* has not connected the 3"):
            futures[1].result()


def test_a_worker_with_another_secret_is_not_let_in(caplog):
    addresses = free_addresses(2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gather, addresses, 0, timeout=2)
        second = pool.submit(gather, addresses, 1, timeout=2, secret=OTHER)
        with pytest.raises(DistributionError, match=r"worker 1 .* has not connected"):
            first.result()
        with pytest.raises(DistributionError, match=f"has another secret; see {VARIABLE}"):
            second.result()
    assert "a connection from 127.0.0.1 as worker 1: wrong secret" in caplog.text


def test_a_worker_that_finds_its_secret_late_is_let_in():
    addresses = free_addresses(2)
    known = iter([None, OTHER])
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gather, addresses, 0)
        with rendezvous(addresses, 1, secret=lambda: next(known, SECRET), timeout=60) as barrier:
            barrier.wait_for_all()
        first.result()


def test_an_impostor_learns_nothing_and_starts_nothing():
    """Neither the secret, nor words that let one in elsewhere."""
    addresses = free_addresses(2)
    host, port = addresses[0].split(":")
    with ThreadPoolExecutor(1) as pool, socket.create_server((host, int(port))) as impostor:
        worker = pool.submit(gather, addresses, 1, timeout=2)
        connection, _ = impostor.accept()
        with connection, connection.makefile("rb") as stream:
            connection.sendall(b"deepattn 2 " + b"0" * 64 + b"\n")
            said = stream.readline()
            connection.sendall(b"0" * 64 + b" 2\ngo\n")
        assert len(said) > 64 and SECRET not in said
        with pytest.raises(
            DistributionError, match="the process at that address does not know the secret"
        ):
            worker.result()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gather, addresses, 0, timeout=2)
        with call(addresses[0]) as again, again.makefile("rb") as stream:
            assert stream.readline().startswith(b"deepattn 2 ")
            again.sendall(said)
            assert stream.readline() == b"refused\n"
        with pytest.raises(DistributionError, match="has not connected"):
            first.result()


def test_clusters_of_different_size_are_told_apart():
    addresses = free_addresses(3)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gather, addresses[:2], 0)
        second = pool.submit(gather, addresses, 1)
        with pytest.raises(
            DistributionError,
            match=r"worker 1 on .* has another TF_CONFIG: it has 3 workers, .* 0 has 2",
        ):
            first.result()
        with pytest.raises(DistributionError, match=r"it has 3 workers, that of worker 0 has 2"):
            second.result()


def test_one_index_for_two_workers_is_told():
    addresses = free_addresses(3)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(gather, addresses, 0, timeout=10)
        seen = [addresses[0], "127.0.0.1:0", addresses[2]]
        twins = [pool.submit(gather, seen, 1, timeout=1) for _ in range(2)]
        with pytest.raises(DistributionError, match=r"two processes, .* are both worker 1"):
            first.result()
        for twin in twins:
            with pytest.raises(DistributionError, match="has not connected"):
                twin.result()


@pytest.mark.parametrize(("host", "everywhere"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_it_listens_at_the_address_of_tf_config(host, everywhere):
    port = free_addresses(1)[0].split(":")[1]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gather, [f"{host}:{port}", *free_addresses(1)], 0, timeout=1.5)
        call(f"127.0.0.1:{port}").close()
        if everywhere:
            call(f"127.0.0.2:{port}").close()
        else:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", int(port)))
        with pytest.raises(DistributionError, match="has not connected"):
            first.result()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("192.0.2.1:4001", "Cannot assign requested address; use an address of its machine"),
        ("no-such-name.invalid:4001", "at no-such-name.invalid:4001"),
    ],
)
def test_an_address_of_nobody_is_named(address, message):
    with pytest.raises(DistributionError, match=f"worker 0 cannot listen .*{message}"):
        gather([address, *free_addresses(1)], 0, timeout=1)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DistributionError, match=r"worker 1 cannot listen at port .* in use"):
            gather([*free_addresses(1), address], 1, timeout=0.5)


def test_a_worker_that_goes_after_the_rendezvous_is_noticed():
    addresses = free_addresses(2)

    def leave():
        with rendezvous(addresses, 1, secret=lambda: SECRET, timeout=20):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(leave)
        with pytest.raises(DistributionError, match="another worker has stopped before"):
            gather(addresses, 0)


@pytest.fixture
def sit():
    """Start workers that sit after the rendezvous; they are ended with the test."""
    addresses, started = free_addresses(2), []
    root = str(Path(__file__).resolve().parents[3])

    def start(*, timeout=60, seconds=60):
        for place in (0, 1):
            process = subprocess.Popen(
                [sys.executable, "-c", _SITTING, repr((addresses, place, timeout, seconds))],
                env={**os.environ, "PYTHONPATH": root},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            started.append(process)
        for process in started:
            assert process.stdout.readline() == "sits\n", process.communicate()
        return started

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_workers_that_are_left_alone_go_through(sit):
    for process in sit(seconds=1):
        said, errors = process.communicate(timeout=30)
        assert (said, errors, process.returncode) == ("rises\nthrough\n", "", 0)


@pytest.mark.parametrize("place", [0, 1])
def test_the_death_of_a_worker_ends_the_others(sit, place):
    """Though they cannot hear."""
    workers = sit()
    workers[place].kill()
    _, errors = workers[1 - place].communicate(timeout=10)
    assert f"while TensorFlow connected the workers: worker {place} (127.0.0.1:" in errors
    assert "has stopped; see its output." in errors
    assert workers[1 - place].returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, signal.SIGKILL), (signal.SIGINT, signal.SIGINT)]
)
def test_signals_are_heard(sit, number, status):
    """A process that holds Python's lock does not hear them itself."""
    workers = sit()
    began = time.monotonic()
    workers[0].send_signal(number)
    _, errors = workers[0].communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert workers[0].returncode == -status
    assert ("connected the workers: SIGTERM." in errors) == (number is signal.SIGTERM)
    assert workers[1].wait(timeout=10) == -signal.SIGKILL


def test_the_start_has_a_time_limit(sit):
    for process in sit(timeout=2):
        _, errors = process.communicate(timeout=20)
        assert process.returncode == -signal.SIGKILL
        assert "no connection after 2 s" in errors or "has stopped" in errors


def test_the_secret_is_in_a_file_of_its_owner(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with cluster_secret("a:4001", chief=False) as theirs:
        assert theirs() is None
        with cluster_secret("a:4001", chief=True) as ours:
            (file,) = tmp_path.iterdir()
            assert file.stat().st_mode & 0o777 == 0o600
            assert theirs() == ours() == file.read_bytes()
            assert len(ours()) == 64
            file.chmod(0o660)
            assert theirs() is None
    assert not list(tmp_path.iterdir())


def test_the_file_of_a_killed_worker_is_of_no_use(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").write_text("x" * 64)
    (tmp_path / ".deepattn-secret-4001").symlink_to("elsewhere")
    with cluster_secret("a:4001", chief=True) as ours:
        assert ours() != b"x" * 64
    assert (tmp_path / "elsewhere").read_text() == "x" * 64


def test_the_environment_has_the_secret(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "sixteen letters!")
    for chief in (False, True):
        with cluster_secret("a:4001", chief=chief) as secret:
            assert secret() == b"sixteen letters!"
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv(VARIABLE, "too short")
    with pytest.raises(ConfigError, match="9 characters"), cluster_secret("a:4001", chief=True):
        pass
