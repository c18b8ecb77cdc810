"""The parser of the command line: that of `argparse`, with advice about misspelled words."""

import argparse
import difflib
from collections.abc import Iterable
from typing import Any, NoReturn

from deepattn.cli.terminal import escape


class Parser(argparse.ArgumentParser):
    """Says what may have been meant by a word that it does not know."""

    # Any, as argparse returns a namespace of whatever class it is given.
    def parse_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        """See `argparse`."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            speaker = getattr(parsed, "parser", self)
            word = next((word for word in unknown if word.startswith("-")), unknown[0])
            name = word.partition("=")[0]
            known = [option for action in speaker._actions for option in action.option_strings]
            hint = did_you_mean(name, known) if name.startswith("-") else ""
            speaker.error(f"unrecognized argument {word}{hint}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """See `argparse`."""
        super().error(escape(message))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that is not known: the nearest that is, if one is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
