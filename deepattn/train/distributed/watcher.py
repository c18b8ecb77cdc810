"""A program that ends its parent, which cannot hear, when there is no use in its waiting.

TensorFlow holds Python's lock while it connects the workers, so neither handlers of signals nor
threads run in that process. This separate one watches the connections to the other workers, the
clock, and SIGTERM that is held back. It ends when its standard input is closed.

Arguments: process id of the parent, seconds, names by the numbers of their connections as JSON.
"""

import json
import os
import re
import select
import signal
import sys
import time

# s. Between two looks at the signals of the parent.
_PAUSE = 0.2
_STDIN, _STDOUT = 0, 1


def main(parent: int, seconds: float, names: dict[int, str]) -> None:
    """Watch until there is a reason to end the parent, or none any more."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(_STDIN, select.POLLIN)
    for number in names:
        poll.register(number, select.POLLRDHUP)
    os.write(_STDOUT, b"r")
    while True:
        events = [number for number, _ in poll.poll(1e3 * _PAUSE)]
        if _STDIN in events:
            return
        reason = ""
        if events:
            reason = f"{names[events[0]]} has stopped; see its output"
        elif _is_pending(parent, signal.SIGTERM):
            reason = "SIGTERM"
        elif time.monotonic() > deadline:
            reason = f"no connection after {seconds:g} s; check for a firewall between the machines"
        if reason:
            sys.stderr.write(
                f"deepattn: error: stopped while TensorFlow connected the workers: {reason}.\n"
            )
            sys.stderr.flush()
            os.kill(parent, signal.SIGKILL)
            return


def _is_pending(process: int, number: int) -> bool:
    with open(f"/proc/{process}/status", encoding="utf-8") as file:
        masks = re.findall(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", file.read(), re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


if __name__ == "__main__":
    main(
        int(sys.argv[1]),
        float(sys.argv[2]),
        {int(number): name for number, name in json.loads(sys.argv[3]).items()},
    )
