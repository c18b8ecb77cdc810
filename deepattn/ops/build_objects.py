"""Objects that are compiled once and used again until something that they are made of changes.

`deepattn.ops.build` loads this file by its path, so it imports nothing but the standard library.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple


def processors() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Progress:
    """Lines on standard error that tell how many of the units are compiled.

    Args:
        what: what they make.
        total: how many there are.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._lock = threading.Lock()

    def tick(self, unit: str) -> None:
        """One more is compiled."""
        with self._lock:
            self._done += 1
            line = f"deepattn: {self._what}: {self._done} of {self._total} compiled, {unit}"
            print(line, file=sys.stderr, flush=True)


class Compilation(NamedTuple):
    """How an object is made.

    Attributes:
        name: the object's name among those that are linked together.
        source: the file to compile.
        command: compiler and flags, without the source, the object and the list of headers.
    """

    name: str
    source: Path
    command: tuple[str, ...]


class Headers(NamedTuple):
    """Headers that are compiled once for many units: a precompiled header.

    Attributes:
        command: compiler and flags; units with others do not use it.
        path: what units include first; what is compiled lies next to it.
        inputs: the files that it is made of, which a unit's list of headers leaves out.
        started: when the first of them was read, in nanoseconds.
    """

    command: tuple[str, ...]
    path: Path
    inputs: frozenset[str]
    started: int


def precompile(
    folder: Path, names: Sequence[str], command: tuple[str, ...], run: Callable[[list[str]], str]
) -> Headers | None:
    """Compiles headers for units that are compiled with the same flags.

    Args:
        folder: a folder to make; those of TensorFlow fill some hundred megabytes.
        names: the headers, as units include them.
        command: compiler and flags.
        run: runs a command; raises `RuntimeError` if it fails.

    Returns:
        The headers, or None if the compiler cannot; units then read them as they are.
    """
    started = time.time_ns()
    folder.mkdir(parents=True)
    path, listed = folder / "headers.h", folder / "headers.d"
    path.write_text("".join(f'#include "{name}"\n' for name in names))
    # The ending is that of g++, where clang++ looks too.
    where = ["-MD", "-MF", str(listed), "-o", f"{path}.gch"]
    try:
        run([*command, "-x", "c++-header", str(path), *where])
    except RuntimeError:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    inputs = frozenset(included(listed.read_text())) - {str(path)}
    return Headers(command, path, inputs, started)


class ObjectStore:
    """A folder of objects, each with digests of all files that it was compiled from.

    An object is used again if compiler, flags, source and every header that it includes are the
    same. Processes may share the folder: files are written whole.

    Args:
        folder: where the objects are; made if it is not there.
        compiler: what the compiler says of its version.
        roots: folders, by a name of each, that may move: objects do not depend on where they are.
    """

    def __init__(self, folder: Path, compiler: str, roots: Mapping[str, Path] | None = None):
        self._folder, self._compiler = folder, compiler
        self._roots = {f"<{name}>": str(path) for name, path in (roots or {}).items()}
        self._digests: dict[str, str] = {}

    def due(self, compilations: Sequence[Compilation]) -> list[Compilation]:
        """Those whose objects are not current."""
        return [item for item in compilations if not self._is_current(self._path(item))]

    def compile(
        self,
        compilations: Sequence[tuple[str, Path, tuple[str, ...]]],
        what: str,
        run: Callable[[list[str]], str],
        jobs: int | None = None,
        headers: Headers | None = None,
    ) -> dict[str, Path]:
        """The objects, of which those that are not current are compiled.

        Args:
            compilations: how each is made, as `Compilation` has it.
            what: what they make, for lines that tell the progress.
            run: runs a command; raises if it fails.
            jobs: compilers run at once; the number of processors by default.
            headers: compiled headers, for units of the same command.

        Returns:
            The object of each name.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        items = [Compilation(*item) for item in compilations]
        objects = {item.name: self._path(item) for item in items}
        due = self.due(items)
        progress = Progress(what, len(due))

        def compile_and_tell(item: Compilation) -> None:
            same = headers is not None and headers.command == item.command
            self._compile(item, objects[item.name], run, headers if same else None)
            progress.tick(item.name)

        with ThreadPoolExecutor(jobs or processors()) as pool:
            list(pool.map(compile_and_tell, due))
        return objects

    def _path(self, item: Compilation) -> Path:
        """Where the object is kept: builds with other flags or compilers keep theirs."""
        words = [self._shorten(word) for word in (self._compiler, *item.command)]
        key = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:12]
        return self._folder / (re.sub(r"[/:]", "-", item.name) + f"-{key}.o")

    def _is_current(self, path: Path) -> bool:
        try:
            record = json.loads(path.with_suffix(".json").read_text())
            return record["object"] == _digest(path) and all(
                self._digest_once(self._expand(name)) == digest
                for name, digest in record["inputs"].items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def _compile(
        self,
        item: Compilation,
        path: Path,
        run: Callable[[list[str]], str],
        headers: Headers | None,
    ) -> None:
        started = time.time_ns()
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".compile-") as folder:
            made, listed = f"{folder}/{path.name}", f"{folder}/headers.d"
            where = ["-MD", "-MF", listed, "-c", str(item.source), "-o", made]
            inputs = {str(item.source)}
            if headers is None:
                run([*item.command, *where])
            else:
                run([*item.command, "-include", str(headers.path), *where])
                started = headers.started
                inputs |= headers.inputs
            inputs |= set(included(Path(listed).read_text()))
            if headers is not None:
                inputs -= {str(headers.path), f"{headers.path}.gch"}
            record = {
                "object": _digest(Path(made)),
                "inputs": {self._shorten(name): self._digest_once(name) for name in inputs},
            }
            path.with_suffix(".json").unlink(missing_ok=True)
            os.replace(made, path)
            # A file that was edited meanwhile is compiled again next time.
            if all(os.stat(name).st_mtime_ns < started for name in inputs):
                made_record = Path(folder) / "record.json"
                made_record.write_text(json.dumps(record, indent=1, sort_keys=True))
                os.replace(made_record, path.with_suffix(".json"))

    def _digest_once(self, name: str) -> str:
        """Hundreds of headers are the same for all units."""
        if name not in self._digests:
            self._digests[name] = _digest(Path(name))
        return self._digests[name]

    def _shorten(self, text: str) -> str:
        for name, folder in self._roots.items():
            text = text.replace(folder, name)
        return text

    def _expand(self, text: str) -> str:
        for name, folder in self._roots.items():
            text = text.replace(name, folder)
        return text


def included(rule: str) -> list[str]:
    """The files that a rule of make, as compilers write it, says the object depends on."""
    _, _, files = rule.replace("\\\n", " ").partition(": ")
    names = re.findall(r"(?:\\.|[^\s\\])+", files)
    return [re.sub(r"\\(.)", r"\1", name).replace("$$", "$") for name in names]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
