"""A Python that has imported what takes long to import, and forks a child for each program.

``python server.py SOCKET MODULE …`` imports the modules and answers ``threads: N`` on the socket, a
number that is inherited. With one thread it then waits for requests: ``{"kind", "name",
"arguments", "cwd"}`` as JSON, with descriptors for the standard streams and for the answer, which
is the process ID of the program in one line, and its exit code in another one when it ends.

The program is the child itself: it has the state of this process after the imports, and ends like
any Python. It uses only the standard library, since it also runs in DeePMD-kit's environments.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import types

REQUEST = 1 << 16  # bytes at most


def main() -> None:
    """Serve; in a child, be the program of the request."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # Modules and graphs of TensorFlow stay; to look through them often takes a fifth of the time.
    gc.set_threshold(20_000, 10, 10)
    for name in sys.argv[2:]:
        importlib.import_module(name)
    nthreads = len(os.listdir("/proc/self/task"))
    # A child has only the thread that forked, and locks of the others stay locked forever.
    control.send(f"threads: {nthreads}".encode())
    if nthreads > 1:
        return
    gc.collect()
    gc.freeze()  # else the first collection of each child copies all pages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at Ctrl-C the tests end this process
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, REQUEST, 4)
        with contextlib.suppress(ChildProcessError):  # there is none
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass  # so that their time counts as this process'
        if not message:
            return
        if os.fork() == 0:
            control.close()
            *streams, answer = descriptors
            if keep_or_be(streams, answer):
                become(json.loads(message), streams)
                return
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def keep_or_be(streams: list[int], answer: int) -> bool:
    """Fork the program; returns True in it, and False in the process that has reported its end.

    A process of its own does this for each program, so that the server is free at once.
    """
    program = os.fork()
    if program == 0:
        os.close(answer)
        return True
    for descriptor in streams:
        os.close(descriptor)
    os.write(answer, b"%d\n" % program)
    _, status = os.waitpid(program, 0)
    os.write(answer, b"%d\n" % os.waitstatus_to_exitcode(status))
    return False


def become(request: dict, streams: list[int]) -> None:
    """Be as a Python that was started with this program."""
    for target, descriptor in enumerate(streams):
        os.dup2(descriptor, target)
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    if "numpy" in sys.modules:  # `random` sees to this by itself
        sys.modules["numpy"].random.seed()
    importlib.invalidate_caches()
    kind, name = request["kind"], request["name"]
    sys.argv = [kind, *request["arguments"]]
    if kind == "-m":
        sys.path[0] = os.getcwd()
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    program = types.ModuleType("__main__")
    if kind == "-c":
        source, place, sys.path[0] = name, "<string>", ""
    else:
        place = program.__file__ = os.path.abspath(name)
        sys.argv[0], sys.path[0] = name, os.path.dirname(place)
        with open(place, "rb") as file:
            source = file.read()
    sys.modules["__main__"] = program
    exec(compile(source, place, "exec"), program.__dict__)


if __name__ == "__main__":
    main()
