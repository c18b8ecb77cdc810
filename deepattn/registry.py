"""Classes by the names that input files have for them; entry points of packages add to them."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from deepattn.errors import ConfigError, show

T = TypeVar("T")
Class = TypeVar("Class", bound=type)


class Registry(Generic[T]):
    """The kinds of one thing: descriptors, fittings, losses, optimizers, schedules.

    A class is imported when its name is asked for. Names that are not the package's own are looked
    up among the entry points of the packages that are installed::

        [project.entry-points."deepattn.descriptors"]
        radial = "my_package:RadialConfig"

    Args:
        what: What the classes describe, for messages: ``"descriptor"``.
        group: Group of the entry points: ``"deepattn.descriptors"``.
        own: References ``"module:class"`` to the package's own classes by name.
    """

    def __init__(self, what: str, group: str, own: Mapping[str, str]) -> None:
        self.what = what
        self.group = group
        self._own = dict(own)
        self._points: dict[str, list[EntryPoint]] | None = None
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[Class], Class]:
        """Decorator: make a class of a script or a notebook known by a name.

        Raises:
            ValueError: The name belongs to another class.
        """

        def add(cls: Class) -> Class:
            if name in self._own or name in self._classes:
                raise ValueError(f"there is a {self.what} {name!r} already")
            self._classes[name] = cls
            return cls

        return add

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return name in self._classes or name in self._own or name in self._others()

    def __getitem__(self, name: str) -> type[T]:
        """The class with a name.

        Raises:
            ConfigError: There is none, or the package that has it cannot be imported.
        """
        if name not in self._classes:
            self._classes[name] = self._load(name)
        return self._classes[name]

    def names(self) -> list[str]:
        """All names, the package's own first."""
        return list(dict.fromkeys([*self._own, *self._classes, *self._others()]))

    def name_of(self, cls: type[T]) -> str:
        """The name of a class; the class's own where it has none."""
        names = (name for name, known in self.loaded().items() if known is cls)
        return next(names, cls.__name__)

    def loaded(self) -> dict[str, type[T]]:
        """The package's own classes, and those of other packages that were asked for before."""
        return {name: self[name] for name in self._own} | self._classes

    def _others(self) -> dict[str, list[EntryPoint]]:
        if self._points is None:
            self._points = {}
            for point in entry_points(group=self.group):
                self._points.setdefault(point.name, []).append(point)
        return self._points

    def _load(self, name: str) -> type[T]:
        if name in self._own:
            return resolve(self._own[name])
        points = self._others().get(name, [])
        if not points:
            known = self.names()
            near = difflib.get_close_matches(str(name), known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
            raise ConfigError(f"there is no {self.what} {show(name)}; {advice}")
        if len(points) > 1:
            packages = " and ".join(point.dist.name if point.dist else "?" for point in points)
            raise ConfigError(
                f"the {self.what} {show(name)} is defined by {packages}; uninstall one of them."
            )
        try:
            return points[0].load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the {self.what} {show(name)} of {points[0].value} cannot be imported: {error}."
            ) from error


def resolve(reference: str) -> Any:
    """What a reference ``"module:name"`` refers to; its module is imported."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def formats_of(kinds: Registry, wanted: str, attribute: str) -> dict[str, Any]:
    """The formats of all kinds that have one, by the names of types in files of such a format.

    Args:
        kinds: descriptors or fittings.
        wanted: the type that a file has; a kind of another package is loaded for it.
        attribute: of the kinds, a reference to the format, which has ``types``.
    """
    if wanted in kinds:
        kinds[wanted]
    references = {getattr(kind, attribute): None for kind in kinds.loaded().values()}
    formats = [resolve(reference) for reference in references if reference is not None]
    return {name: one for one in formats for name in one.types}
