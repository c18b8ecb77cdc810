"""Registries of classes: the package's own, those of scripts, those of other packages."""

from importlib.metadata import EntryPoint

import pytest

from deepattn import registry as module
from deepattn.errors import ConfigError
from deepattn.registry import Registry

OWN = {"path": "pathlib:Path", "counter": "collections:Counter"}


@pytest.fixture
def registry(monkeypatch) -> Registry:
    points = [
        EntryPoint("ordered", "collections:OrderedDict", "deepattn.things"),
        EntryPoint("twice", "collections:deque", "deepattn.things"),
        EntryPoint("twice", "collections:ChainMap", "deepattn.things"),
        EntryPoint("absent", "no_such_package:Thing", "deepattn.things"),
        EntryPoint("renamed", "collections:NoSuchThing", "deepattn.things"),
    ]
    monkeypatch.setattr(
        module, "entry_points", lambda group: [p for p in points if p.group == group]
    )
    return Registry("thing", "deepattn.things", OWN)


def test_own_classes_are_imported_by_name(registry):
    assert registry["path"].__name__ == "Path"
    assert "counter" in registry
    assert set(registry.loaded()) == {"path", "counter"}


def test_other_packages_are_asked_by_entry_points(registry):
    assert "ordered" in registry
    assert registry["ordered"].__name__ == "OrderedDict"
    assert set(registry.loaded()) == {"path", "counter", "ordered"}


def test_a_script_registers_its_own(registry):
    @registry.register("mine")
    class Mine:
        pass

    assert registry["mine"] is Mine
    assert "mine" in registry.names()


@pytest.mark.parametrize("name", ["path", "mine"])
def test_a_name_belongs_to_one_class(registry, name):
    registry.register("mine")(dict)
    with pytest.raises(ValueError, match=f"there is a thing '{name}' already"):
        registry.register(name)(list)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("paths", r"there is no thing 'paths'; did you mean path\?"),
        ("q", "there is no thing 'q'; known are path, counter, ordered, twice"),
        ("twice", "the thing 'twice' is defined by .* and .*; uninstall one of them"),
        ("absent", "the thing 'absent' of no_such_package:Thing cannot be imported: No module"),
        ("renamed", "the thing 'renamed' of collections:NoSuchThing cannot be imported"),
    ],
)
def test_errors(registry, name, message):
    with pytest.raises(ConfigError, match=message):
        registry[name]
