"""The modules of a folder of scripts, which import each other by their plain names."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace


@contextmanager
def modules_of(folder: Path) -> Iterator[SimpleNamespace]:
    """Import them and those that folders share; their names are gone again afterwards."""
    names = [path.stem for place in (folder, folder.parent) for path in place.glob("*.py")]
    before = list(sys.path)
    sys.path[:0] = [str(folder), str(folder.parent)]
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path[:] = before
        for name in names:
            sys.modules.pop(name, None)
