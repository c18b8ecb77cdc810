"""Output of TensorFlow's C++ code on standard error, which is shown only if something fails."""

import os
import re
import signal
import sys
from contextlib import suppress

# Lines of TensorFlow's log below FATAL, before and after it has set its log up.
_NOISE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ \S+:\d+\] "
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called "
    rb"|To enable the following instructions: "
)
_END = b"\0deepattn: end of the log\n"
_MOST_BYTES = 1 << 16  # of the last lines kept


class NativeLog:
    """Keeps TensorFlow's lines off the terminal from its making to `close`.

    Nothing but TensorFlow itself can be asked to be quiet about its import, and it cannot. So the
    file descriptor 2 becomes a pipe to a process that lets all other lines pass. It prints what it
    kept if this process ends without a `close`, killed by a signal or aborted by TensorFlow: the
    reason is in there. Python's ``sys.stderr`` still writes to the terminal.
    """

    def __init__(self) -> None:
        sys.stderr.flush()
        self._terminal = os.dup(2)
        lines, writer = os.pipe()
        self._kept, answer = os.pipe()
        if os.fork() == 0:
            os.close(writer)
            os.close(self._kept)
            _watch(lines, self._terminal, answer)
        os.close(lines)
        os.close(answer)
        os.dup2(writer, 2)
        os.close(writer)
        self._python = sys.stderr
        sys.stderr = open(
            os.dup(self._terminal),
            "w",
            buffering=1,
            encoding=self._python.encoding,
            errors=self._python.errors,
        )

    def close(self) -> str:
        """Give standard error back; returns the last of the lines that were kept from it."""
        with suppress(OSError):  # the reader is gone
            sys.stderr.close()
        sys.stderr = self._python
        with suppress(OSError):
            os.write(2, _END)
        os.dup2(self._terminal, 2)
        os.close(self._terminal)
        with open(self._kept, "rb") as kept:
            return kept.read().decode(errors="backslashreplace")


def _watch(lines: int, terminal: int, answer: int) -> None:
    """The other process: sort lines to their end, and leave."""
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        for standard in range(3):
            os.dup2(terminal, standard)
        _sort(lines, terminal, answer)
        status = 0
    finally:
        os._exit(status)


def _sort(lines: int, terminal: int, answer: int) -> None:
    kept, rest, ended = b"", b"", False
    while data := os.read(lines, 1 << 16):
        *whole, rest = (rest + data).split(b"\n")
        for line in (line + b"\n" for line in whole):
            if line.endswith(_END):
                os.write(terminal, line.removesuffix(_END))
                os.write(answer, kept)
                os.close(answer)
                ended = True
            elif _NOISE.match(line):
                kept = (kept + line)[-_MOST_BYTES:]
            else:
                os.write(terminal, line)
    os.write(terminal, rest if ended else kept + rest)
