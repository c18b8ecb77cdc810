"""Typed sections whose fields are the one declaration of the keys of an input file."""

from __future__ import annotations

import builtins
import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from dargs import Argument, Variant

from deepattn.config.argument import Internal
from deepattn.config.hints import hints_of, is_optional, types_in_a_file
from deepattn.config.validate import validate_section
from deepattn.registry import Registry

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T", bound="Section")
Check = Callable[[Any, str], object]

_REQUIRED = object()


@dataclasses.dataclass(frozen=True)
class _Key:
    """Description, range and spellings of a key."""

    doc: str
    default: Any
    alias: tuple[str, ...]
    dtype: Any
    check: Check | None
    unset: bool = False


def key(
    default: Any,
    doc: str,
    *,
    alias: tuple[str, ...] = (),
    dtype: Any = None,
    check: Check | None = None,
    unset: bool = False,
) -> Any:
    """Field of a section: a key that may be left out.

    Args:
        default: The value it then has.
        doc: Its description, for the reference page and messages.
        alias: Other spellings.
        dtype: Type or list of types in the file, where that is not the field's.
        check: Called with a value and the key's path; raises a ConfigError if it is out of range.
        unset: Whether None is written by omitting the key, as DeePMD-kit reads no null there.
    """
    known = {"key": _Key(doc, default, alias, dtype, check, unset)}
    if unset:
        return dataclasses.field(default=None, metadata=known)
    return dataclasses.field(metadata=known)


def required(doc: str, *, dtype: Any = None, check: Check | None = None) -> Any:
    """Field of a section: a key that must be given."""
    return dataclasses.field(metadata={"key": _Key(doc, _REQUIRED, (), dtype, check)})


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of a configuration; its fields are the keys of a normalized input.

    Class attributes:
        implied: Values of fields that the type of the section fixes; a file has no such keys.
        input_only: Further keys of a file: old spellings, and those that are not supported.
    """

    implied: ClassVar[Mapping[str, Any]] = {}
    input_only: ClassVar[tuple[Argument, ...]] = ()

    @classmethod
    def arguments(cls) -> list[Argument]:
        """The schema of the section, from its fields."""
        hints = hints_of(cls)
        declared = [
            _argument(field, field.metadata["key"], hints[field.name])
            for field in cls.ordered_fields()
            if "key" in field.metadata and field.name not in cls.implied
        ]
        return [*declared, *cls.input_only]

    @classmethod
    def schema(cls, name: str, **options: Any) -> Argument:
        """The schema under the name that a file has for the section."""
        return Argument(name, dict, cls.arguments(), **options)

    @classmethod
    def complete(cls, given: Any, path: str) -> dict[str, Any]:
        """Check names and types of the keys of a section, and fill in their defaults.

        Args:
            given: The section as a file has it.
            path: Where it is.

        Raises:
            ConfigError: A key is unknown, missing, given twice or not supported, or a value has the
                wrong type.
        """
        schema = cls.schema(path.rpartition("/")[2])
        return schema.normalize_value(validate_section(schema, given, path), do_alias=False)

    @classmethod
    def ordered_fields(cls) -> list[dataclasses.Field]:
        """The fields in reading order: those that a class adds, then those it inherits."""
        rank = {
            name: place
            for place, base in reversed(list(enumerate(cls.__mro__)))
            for name in vars(base).get("__annotations__", {})
        }
        return sorted(
            dataclasses.fields(cls), key=lambda field: (field.name != "type", rank[field.name])
        )

    @classmethod
    def check_keys(cls, section: Mapping[str, Any], path: str) -> None:
        """Check each value of a complete section, and of those below it, by itself.

        A null is not checked: it means that the key is not set.

        Args:
            section: Values by key.
            path: Where the section is: ``"training"``.

        Raises:
            ConfigError: A value is out of range.
        """
        hints = hints_of(cls)
        for field in dataclasses.fields(cls):
            declared, value = field.metadata.get("key"), section.get(field.name)
            if declared is None or value is None:
                continue
            if declared.check is not None:
                declared.check(value, f"{path}/{field.name}")
            for inner, part, where in _sections_in(
                hints[field.name], value, f"{path}/{field.name}"
            ):
                inner.check_keys(part, where)

    @classmethod
    def drop_unset(cls, section: dict[str, Any]) -> None:
        """Leave out of a complete section what is null and declared as ``unset``."""
        for field in dataclasses.fields(cls):
            if "key" in field.metadata and field.default is None:
                if section.get(field.name, ...) is None:
                    del section[field.name]

    @classmethod
    def from_dict(cls: type[T], section: Mapping[str, Any]) -> T:
        """Build from a normalized section; lists become tuples, mappings typed sections."""
        hints = hints_of(cls)
        # An earlier version may have written the section without a key.
        values = {**cls.defaults(), **section, **cls.implied}
        return cls(**{name: _typed(hints.get(name), value) for name, value in values.items()})

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The defaults of the keys that may be left out."""
        return {
            field.name: field.metadata["key"].default
            for field in dataclasses.fields(cls)
            if "key" in field.metadata and field.metadata["key"].default is not _REQUIRED
        }

    def to_dict(self) -> dict[str, Any]:
        """The normalized section; it can be written as JSON."""
        return {
            field.name: thaw(getattr(self, field.name))
            for field in self.ordered_fields()
            if field.name not in self._left_out()
        }

    def _left_out(self) -> set[str]:
        """Names that an input file does not have: unset ones with None as the class's default."""
        unset = {
            field.name
            for field in dataclasses.fields(self)
            if field.default is None and getattr(self, field.name) is None
        }
        return unset | set(self.implied)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind(Section):
    """A section whose key ``type`` selects the class that describes it; the first line of that
    class's docstring is the description of the type.

    Class attributes:
        registry: The classes by type.
        default_type: The type where none is given; None where one must be.
        aliases: Other spellings of the class's type.
        parts: Key of a list of sections of other types of the registry that it is made of, which
            cannot have such a list themselves; None where there is none.
        only_in_lists: Whether its sections are only met in lists, where their keys are documented.
        internal: Whether no input has the type: it stands for another one in a checked input.
    """

    registry: ClassVar[Registry]
    default_type: ClassVar[str | None] = None
    aliases: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[str | None] = None
    only_in_lists: ClassVar[bool] = False
    internal: ClassVar[bool] = False

    type: str

    @classmethod
    def find(cls, name: Any) -> builtins.type[Self] | None:
        """The class of a type or an alias of one; None if there is none."""
        for known, kind in cls.registry.loaded().items():
            if name in (known, *kind.aliases):
                return kind
        return cls.registry[name] if name in cls.registry else None

    @classmethod
    def import_types(cls, section: Any) -> None:
        """Import the class of a section's type, so that the schema knows its keys.

        Args:
            section: The section as it was given, which may be anything.
        """
        name = section.get("type") if isinstance(section, Mapping) else None
        if not isinstance(name, str) or name not in cls.registry:
            return
        parts = cls.registry[name].parts
        inner = section.get(parts) if parts is not None else None
        for part in inner if isinstance(inner, list) else ():
            cls.import_types(part)

    @classmethod
    def schema(cls, name: str, **options: Any) -> Argument:
        variant = cls.variant(f"Kind of the {cls.registry.what}.")
        return Argument(name, dict, [], [variant], **options)

    @classmethod
    def complete(cls, given: Any, path: str) -> dict[str, Any]:
        cls.import_types(given)
        return super().complete(given, path)

    @classmethod
    def of_keys(cls, path: str, **keys: Any) -> dict[str, Any]:
        """The complete section of this type from some of its keys, as from a file.

        Args:
            path: Where it would be in a file.
            keys: Values by key.

        Raises:
            ConfigError: As in `complete`.
        """
        schema = Argument(path, dict, cls.arguments())
        full = schema.normalize_value(validate_section(schema, thaw(keys), path), do_alias=False)
        return {"type": cls.registry.name_of(cls), **full}

    @classmethod
    def variant(cls, doc: str, *, with_parts: bool = True) -> Variant:
        """The schema of all types: of this package's own, and of others that were asked for.

        Args:
            doc: The description of the choice.
            with_parts: Whether types that are made of others are among them.
        """
        choices = [
            (Internal if kind.internal else Argument)(
                name, dict, kind.arguments(), alias=list(kind.aliases), doc=kind.summary()
            )
            for name, kind in cls.registry.loaded().items()
            if with_parts or kind.parts is None
        ]
        default = cls.default_type
        if default is None:
            return Variant("type", choices, doc=doc)
        return Variant("type", choices, optional=True, default_tag=default, doc=doc)

    @classmethod
    def summary(cls) -> str:
        """The first sentence of the docstring."""
        return (cls.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ")


def flat(section: Section | Mapping[str, Any]) -> dict[str, Any]:
    """Values by their paths, such as ``descriptor/rcut``; an empty section is a value."""
    if isinstance(section, Section):
        names = [field.name for field in dataclasses.fields(section)]
        section = {name: getattr(section, name) for name in names}
    values: dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, tuple) and value and all(isinstance(one, Section) for one in value):
            value = {str(place): one for place, one in enumerate(value)}
        if isinstance(value, Section | Mapping) and value:
            values |= {f"{name}/{path}": inner for path, inner in flat(value).items()}
        else:
            values[name] = value
    return values


def thaw(value: Any) -> Any:
    """Sections to dictionaries, tuples to lists."""
    if isinstance(value, Section):
        return value.to_dict()
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    if isinstance(value, dict):
        return {name: thaw(item) for name, item in value.items()}
    return value


def _argument(field: dataclasses.Field, declared: _Key, hint: Any) -> Argument:
    options: dict[str, Any] = {"alias": list(declared.alias), "doc": declared.doc}
    inner, several = _section_of(hint), _items_of(hint)
    if declared.default is not _REQUIRED:
        options["optional"] = True
        if inner is None or not declared.unset:
            options["default"] = declared.default
    if several is not None:
        variant = several.variant(f"Kind of the {several.registry.what}.", with_parts=False)
        options |= {"repeat": True, "fold_subdoc": not several.only_in_lists}
        return Argument(field.name, list, [], [variant], **options)
    if inner is None:
        return Argument(field.name, declared.dtype or types_in_a_file(hint), **options)
    argument = inner.schema(field.name, **options)
    if is_optional(hint) and not declared.unset and type(None) not in argument.dtype:
        argument.dtype = (*argument.dtype, type(None))
    if argument.default == {}:
        # dargs would leave an empty section empty.
        argument.default = argument.normalize_value({}, do_alias=False)
    return argument


def _section_of(hint: Any, value: Any = None) -> type[Section] | None:
    """The class of a field that is, or may be, a section: that of a value, or of all values."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for part in parts:
        if isinstance(part, type) and issubclass(part, Section):
            if value is None:
                return part
            if not isinstance(value, Mapping):
                return None
            return part.registry[value["type"]] if issubclass(part, Kind) else part
    return None


def _items_of(hint: Any) -> type[Kind] | None:
    """The class of the items of a field that is a tuple of sections."""
    item = get_args(hint)[0] if get_origin(hint) is tuple else None
    return item if isinstance(item, type) and issubclass(item, Kind) else None


def _sections_in(hint: Any, value: Any, path: str) -> Iterator[tuple[type[Section], Any, str]]:
    """The sections that a field holds: class, value and path of each."""
    inner = _class_of(hint, value)
    if inner is not None:
        yield inner, value, path
    item = _items_of(hint)
    if item is None:
        return
    for place, part in enumerate(value):
        yield item.registry[part["type"]], part, f"{path}/{place}"


def _typed(hint: Any, value: Any) -> Any:
    inner, item = _class_of(hint, value), _items_of(hint)
    if item is not None:
        return tuple(item.registry[part["type"]].from_dict(part) for part in value)
    return _freeze(value) if inner is None else inner.from_dict(value)


def _class_of(hint: Any, value: Any) -> type[Section] | None:
    """The class of a value that is a section; of a kind that of its type."""
    inner = _section_of(hint)
    if inner is None or not isinstance(value, Mapping):
        return None
    return inner.registry[value["type"]] if issubclass(inner, Kind) else inner


def _freeze(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, dict):
        return {name: _freeze(item) for name, item in value.items()}
    return value
