"""Tables of pages of the documentation, which are written from recorded results."""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deepattn.errors import DataError
from deepattn.formats.files import write_whole

# By name, what writes a table as Markdown.
Tables = Mapping[str, Callable[[], str]]

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)


def filled(text: str, tables: Tables) -> str:
    """A page with its tables written anew.

    Args:
        text: The page; a table stands between ``<!-- table: NAME -->`` and ``<!-- end of table
            -->``.
        tables: Those that there are.

    Raises:
        DataError: There is no table of a name.
    """

    def write(match: re.Match[str]) -> str:
        if match[2] not in tables:
            raise DataError(f"there is no table {match[2]}; there are {', '.join(tables)}")
        return f"{match[1]}\n{tables[match[2]]()}\n\n{match[4]}"

    return _BLOCK.sub(write, text)


def as_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_or_check(
    description: str | None,
    pages: Sequence[Path],
    tables: Tables,
    arguments: Sequence[str] | None = None,
) -> bool:
    """What a script ``page.py`` does: write the tables of pages, or with ``--check`` compare them.

    Args:
        description: Of the script.
        pages: The pages.
        tables: Their tables.
        arguments: Of the command line.

    Returns:
        Whether the pages were written.

    Raises:
        SystemExit: A page is not what the results make of it.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="compare only; 1 if they differ")
    check = parser.parse_args(arguments).check
    for page in pages:
        text = page.read_text(encoding="utf-8")
        new = filled(text, tables)
        if not check:
            with write_whole(page, "w") as file:
                file.write(new)
        elif text != new:
            sys.exit(f"{page} differs from the results; run page.py")
    return not check
