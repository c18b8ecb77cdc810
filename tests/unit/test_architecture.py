"""Dependencies point one way: every import under ``deepattn`` is one that the architecture allows.

The table of rooms in ``docs/architecture.md`` says who stands above whom, and who may use whom.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "deepattn"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()

EVERYBODYS = {"errors", "limits", "progress", "quiet", "keras_backend"}
TENSORFLOW = {"tensorflow", "keras"}


class Import(NamedTuple):
    """That one module names another."""

    module: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}: {self.target}"


class Row(NamedTuple):
    """A line of the table of rooms."""

    room: str
    uses: str


def table() -> list[Row]:
    """The rooms of the package, the highest first."""
    pattern = r"^\| `deepattn/(\w+)(?:/|\.py)` \|.*\| (.*?) \|$"
    return [Row(*row) for row in re.findall(pattern, ARCHITECTURE, re.MULTILINE)]


def allowed(rows: Sequence[Row]) -> dict[str, set[str]]:
    """Which rooms each room may use."""
    rooms = [row.room for row in rows]
    uses = {room: set(re.findall(r"\w+", text)) & set(rooms) for room, text in rows}
    for place, (room, text) in enumerate(rows):
        if text == "everything below":
            uses[room] = set(rooms[place + 1 :])
    return uses


def imports(package: Path) -> Iterator[Import]:
    """All imports of a package's modules, wherever in a module they stand."""
    paths = {path: _name(path, package) for path in sorted(package.rglob("*.py"))}
    names = set(paths.values())
    for path, module in paths.items():
        inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            for target in _targets(node, inside, names):
                yield Import(module, node.lineno, target)


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _targets(node: ast.AST, inside: str, modules: set[str]) -> list[str]:
    """Modules that a node imports, as absolute names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = inside.split(".")[: len(inside.split(".")) - node.level + 1] if node.level else []
        start = ".".join([*above, *filter(None, [node.module])])
        names = [f"{start}.{alias.name}" for alias in node.names]
        return [name if name in modules else start for name in names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
    return []


def room_of(module: str, package: str) -> str | None:
    """The room of a module; None if it is of another package or the package itself."""
    first, *rest = module.split(".")
    return rest[0] if first == package and rest else None


def between_rooms(package: Path) -> list[tuple[str, str, Import]]:
    """The imports that leave a room for another."""
    found = []
    for line in imports(package):
        source, target = (room_of(name, package.name) for name in (line.module, line.target))
        if source and target and source != target:
            found.append((source, target, line))
    return found


def upward(package: Path, rooms: Sequence[str]) -> list[str]:
    """Imports of a room that stands higher, ``rooms`` being in their order from the top."""
    place = {room: number for number, room in enumerate(rooms)}
    return [
        str(line)
        for source, target, line in between_rooms(package)
        if place[target] <= place[source]
    ]


def forbidden(package: Path, uses: dict[str, set[str]]) -> list[str]:
    """Imports that the table does not allow."""
    return [
        str(line)
        for source, target, line in between_rooms(package)
        if target not in uses[source] | EVERYBODYS
    ]


def outside(package: Path, rooms: set[str], libraries: set[str]) -> list[str]:
    """Where modules of some rooms import one of some libraries."""
    return [
        str(line)
        for line in imports(package)
        if room_of(line.module, package.name) in rooms and line.target.split(".")[0] in libraries
    ]


ROWS = table()
ROOMS = ["__main__", *(row.room for row in ROWS)]
USES = {"__main__": {"cli"}, **allowed(ROWS)}
# "code that only reads files does not import it: `config`, …"
_READERS = re.search(r"does not import it:(.*?), and those parts", ARCHITECTURE, re.DOTALL)
READERS = set(re.findall(r"`(\w+)`", _READERS[1]))


def test_every_room_is_in_the_table():
    there = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    there |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert there == set(ROOMS)
    assert READERS < set(ROOMS) and {"config", "formats"} < READERS


def test_dependencies_point_downwards():
    assert upward(PACKAGE, ROOMS) == []


def test_each_room_uses_what_the_table_allows():
    assert forbidden(PACKAGE, USES) == []


def test_what_only_reads_files_knows_no_tensorflow():
    assert outside(PACKAGE, READERS, TENSORFLOW) == []
    small = {"periodic_table", "registry", "errors", "limits", "progress", "quiet"}
    assert all(USES[room] <= READERS | small for room in READERS)


@pytest.fixture
def tower(tmp_path):
    """A package of three rooms, and a function that adds a line to its lowest."""
    package = tmp_path / "tower"
    texts = {
        "__init__.py": "",
        "top/__init__.py": "import tower.low\n",
        "top/deep.py": "from tower.middle.part import name\nfrom . import other\n",
        "top/other.py": "import os\n",
        "middle/__init__.py": "from tower import low\n",
        "middle/part.py": "from tower import __version__\nfrom tower.low import name\n",
        "low/__init__.py": "",
        "low/inner.py": "",
    }
    for name, text in texts.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)

    def plant(line: str, name: str = "low/inner.py") -> Path:
        (package / name).write_text(line + "\n")
        return package

    return plant


def test_checker_finds_nothing_in_an_orderly_package(tower):
    assert upward(tower(""), ["top", "middle", "low"]) == []
    assert len(between_rooms(tower(""))) == 4


@pytest.mark.parametrize(
    "line",
    [
        "import tower.top",
        "import os, tower.top.deep as deep",
        "from tower import top",
        "from tower.top import deep",
        "from tower.top.deep import name",
        "from .. import top",
        "from ..top import name",
        "def later():\n    from tower.top import name",
        "class A:\n    def b(self):\n        import tower.top.deep",
        "if TYPE_CHECKING:\n    from tower.top import name",
        "import importlib\nimportlib.import_module('tower.top.deep')",
    ],
)
def test_checker_finds_a_planted_import(tower, line):
    package = tower(line)
    (found,) = upward(package, ["top", "middle", "low"])
    assert found.startswith("tower.low.inner, line ") and ": tower.top" in found
    (same,) = forbidden(package, {"top": {"middle", "low"}, "middle": {"low"}, "low": set()})
    assert same == found


def test_checker_takes_a_package_from_itself(tower):
    """``..`` counts from the folder in an ``__init__``, too."""
    (found,) = upward(tower("from ..top import x", "low/__init__.py"), ["top", "middle", "low"])
    assert found == "tower.low, line 1: tower.top"


def test_checker_finds_a_library(tower):
    package = tower("def later():\n    import tensorflow.keras as keras")
    assert outside(package, {"low"}, TENSORFLOW) == ["tower.low.inner, line 2: tensorflow.keras"]
    assert outside(package, {"top", "middle"}, TENSORFLOW) == []
