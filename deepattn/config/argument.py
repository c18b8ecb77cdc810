"""Building blocks of the schema on top of dargs."""

from typing import Any

from dargs import Argument


class Refused(Argument):
    """A key that DeePMD-kit knows and deepattn does not support.

    It is accepted (and dropped) only where it says what deepattn does anyway, so that a complete
    ``out.json`` of DeePMD-kit passes.

    Args:
        name: the key.
        default: the value DeePMD-kit gives it; ``None`` means unset.
        accepted: further values that mean the same.
        hint: what to do instead, for the error.
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
    """A key of inputs of several tasks, which `deepattn.config.multitask` splits beforehand."""

    def __init__(self, name: str, default: Any = None) -> None:
        hint = "it is a key of inputs with model/model_dict (docs/multi-task.md)"
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
