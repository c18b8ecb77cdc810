"""Kinds differ by attributes of their classes: no other code knows or tests their names.

The kinds of a registry have rooms of their own. Outside these, no kind is named in quotes, and none
of their classes is asked for by ``isinstance``.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from deepattn.config import DESCRIPTORS, FITTINGS, LOSSES, OPTIMIZERS, SCHEDULES
from deepattn.config.combination import COMBINATIONS
from deepattn.learn.dynamics.config import ENGINES

PACKAGE = Path(__file__).parents[2] / "deepattn"


class Kinds(NamedTuple):
    """The kinds of a registry.

    Attributes:
        registry: The registry.
        rooms: Folders and modules of the package that the kinds live in.
        base: The module with the registry and the default type.
    """

    registry: object
    rooms: tuple[str, ...]
    base: str


KINDS = [
    Kinds(DESCRIPTORS, ("descriptors",), "config/descriptor.py"),
    Kinds(FITTINGS, ("fittings",), "config/fitting.py"),
    Kinds(LOSSES, ("losses",), "config/loss.py"),
    Kinds(OPTIMIZERS, ("optimizers",), "config/optimizer.py"),
    Kinds(SCHEDULES, ("schedules",), "config/schedule.py"),
    Kinds(COMBINATIONS, ("pairwise", "config/linear.py"), "config/combination.py"),
    Kinds(ENGINES, ("learn/dynamics",), "learn/dynamics/config.py"),
]
# Names that stand for something else too, with the modules that use them so.
OTHERWISE = {
    # A loss and a fitting of this name, and the type of model in graphs.
    "ener": {
        "config/fitting.py",
        "config/loss.py",
        "fittings/ener/config.py",
        "fittings/ener/dpmodel.py",
        "fittings/ener/torch.py",
        "formats/frozen.py",
        "formats/old_graphs.py",
        "losses/ener/config.py",
    },
    # A loss and a fitting, an output and the type of model in graphs.
    "dos": {
        "config/fitting.py",
        "config/loss.py",
        "fittings/dos/config.py",
        "fittings/dos/dpmodel.py",
        "fittings/dos/torch.py",
    },
    # A loss and a fitting.
    "property": {
        "config/fitting.py",
        "config/loss.py",
        "fittings/property/dpmodel.py",
        "fittings/property/torch.py",
    },
    # The one descriptor of inputs of DeePMD-kit 0.
    "se_e2_a": {"config/upgrade_v0.py", "suggest/descriptor.py"},
    # What `deepattn init` suggests, as DeepPot-SE above.
    "cosine": {"suggest/length.py"},
    # In a hash of DeePMD-kit's, which names its caches.
    "se_a": {"statistics/stat_file.py"},
    "se_r": {"statistics/stat_file.py"},
    # The student that is trained unless the user gives another; what `deepattn init` suggests.
    "se_atten_v2": {"distill/config.py", "suggest/descriptor.py"},
    # The library, among those whose versions a report of a bug lists.
    "ase": {"cli/bug.py"},
    # In the list of what a package exports.
    "Adam": {"train/__init__.py"},
}


def names(kinds: Kinds) -> set[str]:
    """The names and aliases of the kinds in an input."""
    found = kinds.registry.loaded()
    return set(found) | {a for kind in found.values() for a in getattr(kind, "aliases", ())}


def classes(kinds: Kinds, package: Path) -> set[str]:
    """The names of the classes in the rooms, without the bases of all kinds."""
    return {
        node.name
        for room in kinds.rooms
        for path in (package / room).rglob("*.py")
        if path.name != "base.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }


def seams(kinds: Kinds, package: Path) -> Iterator[str]:
    """Where a kind is named or asked for outside its rooms."""
    quoted, asked = names(kinds), classes(kinds, package)
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package)
        inside = any(module.is_relative_to(room) for room in kinds.rooms)
        if inside or str(module) == kinds.base:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            place = f"{module}, line {getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if node.value in quoted and str(module) not in OTHERWISE.get(node.value, ()):
                    yield f"{place}: {node.value!r}"
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "isinstance",
                "issubclass",
            ):
                words = {part for name in ast.walk(node.args[1]) for part in _words(name)}
                if words & asked:
                    yield f"{place}: {ast.unparse(node)}"
            elif isinstance(node, ast.MatchClass):
                for part in _words(node.cls):
                    if part in asked:
                        yield f"{place}: case {part}"


def _words(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    return [node.attr] if isinstance(node, ast.Attribute) else []


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: kinds.registry.what)
def test_nobody_else_knows_a_kind(kinds):
    assert list(seams(kinds, PACKAGE)) == []


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: kinds.registry.what)
def test_the_names_are_those_of_the_rooms(kinds):
    assert names(kinds) and classes(kinds, PACKAGE)


@pytest.mark.parametrize(
    "line",
    [
        'if rate.type == "wsd": pass',
        "if isinstance(schedule, WsdSchedule): pass",
        "if isinstance(schedule, (int, schedules.WsdSchedule)): pass",
        "assert issubclass(type(schedule), WsdSchedule | None)",
        "match schedule:\n    case WsdSchedule(): pass",
    ],
)
def test_what_is_planted_is_found(tmp_path, line):
    room = tmp_path / "schedules"
    room.mkdir()
    (room / "wsd.py").write_text('class WsdSchedule:\n    name = "wsd"\n')
    assert list(seams(KINDS[4], tmp_path)) == []
    (tmp_path / "trainer.py").write_text(line + "\n")
    assert len(list(seams(KINDS[4], tmp_path))) == 1
