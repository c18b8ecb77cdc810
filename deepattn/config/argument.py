"""Building blocks of the schema on top of dargs."""

from __future__ import annotations

import copy
from typing import Any

from dargs import Argument


class Refused(Argument):
    """A key that DeePMD-kit knows and deepattn does not support.

    It is accepted (and dropped) only with the value that deepattn uses anyway, so that a complete
    ``out.json`` of DeePMD-kit passes.

    Args:
        name: The key.
        default: The value DeePMD-kit gives it; ``None`` means unset.
        accepted: Further values that mean the same.
        hint: Alternative, for the error message.
    """

    def __init__(
        self, name: str, default: Any = None, *, accepted: tuple = (), hint: str = ""
    ) -> None:
        super().__init__(name, object, optional=True, doc=hint)
        self.accepted = (default, *accepted)
        self.hint = hint

    def accepts(self, value: Any) -> bool:
        """Whether the value is one that deepattn may ignore."""
        return value is None or any(
            value == known and isinstance(value, bool) == isinstance(known, bool)
            for known in self.accepted
        )


class OfTasks(Refused):
    """A key of multi-task inputs, which `deepattn.config.multitask` splits beforehand."""

    def __init__(self, name: str, default: Any = None) -> None:
        hint = "it is for multi-task inputs, which have model/model_dict (docs/multi-task.md)"
        super().__init__(name, default, hint=hint)


def required(name: str, dtype: Any, doc: str, **kwargs: Any) -> Argument:
    """A key that must be given."""
    return Argument(name, dtype, optional=False, doc=doc, **kwargs)


def key(name: str, dtype: Any, default: Any, doc: str, *, alias: tuple[str, ...] = ()) -> Argument:
    """A key with a default."""
    return Argument(name, dtype, optional=True, default=default, doc=doc, alias=alias)


def section(
    name: str, fields: list[Argument], variants: list, doc: str, *, optional: bool = False
) -> Argument:
    """A mapping of keys."""
    return Argument(name, dict, fields, variants, optional=optional, doc=doc)


class Moved(Argument):
    """A required section of a file whose keys are elsewhere when an input is checked."""

    def __init__(self, name: str, doc: str) -> None:
        super().__init__(name, dict, optional=True, doc=doc)


class Internal(Argument):
    """A type of a section, or a key, that no input has, and no page or message names."""

    @classmethod
    def of(cls, argument: Argument) -> Internal:
        """An argument as one that no input has."""
        found = copy.copy(argument)
        found.__class__ = cls
        return found  # type: ignore[return-value]
