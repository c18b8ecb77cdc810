"""Where the time of a training goes: TensorFlow's profiler, and a trace that browsers draw."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from deepattn.formats.files import write_whole

# Picoseconds in a nanosecond and in a microsecond; a trace counts in the latter.
_PS_PER_NS = 1e3
_PS_PER_US = 1e6


@contextmanager
def profiled(folder: str | os.PathLike, *, wanted: bool) -> Iterator[None]:
    """Run TensorFlow's profiler for the time of the block, if wanted.

    Args:
        folder: Where it writes, for TensorBoard.
        wanted: ``training.enable_profiler``.
    """
    if not wanted:
        yield
        return
    tf.profiler.experimental.start(str(folder))
    try:
        yield
    finally:
        tf.profiler.experimental.stop()


@contextmanager
def traced(path: str | os.PathLike, *, wanted: bool) -> Iterator[None]:
    """Write a Chrome trace of the block (``chrome://tracing``, ui.perfetto.dev), if wanted.

    Args:
        path: The JSON file.
        wanted: Whether this step is the one to trace.
    """
    if not wanted:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        try:
            yield
        finally:
            tf.profiler.experimental.stop()
        events = [event for part in Path(folder).rglob("*.xplane.pb") for event in _events(part)]
    with write_whole(path, "w") as file:
        json.dump({"traceEvents": events}, file)


def _events(path: Path) -> Iterator[dict]:
    """The events of a profile in Chrome's form; a plane is a process, a line a thread."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    for process, plane in enumerate(space.planes):
        yield _name("process_name", plane.name, process)
        for line in plane.lines:
            yield _name("thread_name", line.name, process, line.id)
            for event in line.events:
                start = line.timestamp_ns * _PS_PER_NS + event.offset_ps
                yield {
                    "ph": "X",
                    "name": plane.event_metadata[event.metadata_id].name,
                    "pid": process,
                    "tid": line.id,
                    "ts": start / _PS_PER_US,
                    "dur": event.duration_ps / _PS_PER_US,
                }


def _name(kind: str, name: str, process: int, thread: int = 0) -> dict:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}}
