"""Frozen graphs from one form to another: of older versions to today's, binary to text and back."""

import os
from pathlib import Path

from deepattn.errors import ConfigError
from deepattn.formats.files import check_folder, write_whole
from deepattn.formats.graph_text import SUFFIX, graph_as_text, graph_from_text
from deepattn.formats.graphdef import read_message
from deepattn.formats.old_graphs import upgraded

TEXT = "pbtxt"


def convert_graph(
    source: str | os.PathLike, target: str | os.PathLike, *, version: str = "auto"
) -> Path:
    """Convert a graph as ``dp --tf convert-from`` does; nothing in it is run.

    Args:
        source: The graph: a ``.pb`` file, or a text if ``version`` is ``pbtxt``.
        target: File to write. If its name ends in ``.pbtxt``, the graph is written as text, and
            otherwise as a ``.pb`` file.
        version: The version of DeePMD-kit that wrote the graph, one of
            `deepattn.formats.old_graphs.VERSIONS`; ``auto`` to recognize it; or ``pbtxt``. From and
            to text the version of a graph does not change.

    Returns:
        The path written.

    Raises:
        ConfigError: ``version`` and the names of the files do not go together.
        DataError: The folder of ``target`` is missing.
        ModelFileError: The source is damaged, not safe, or not of that version.
    """
    source, target = Path(source), Path(target)
    check_folder(target)
    if source.suffix == SUFFIX and target.suffix == SUFFIX:
        raise ConfigError(f"{source}: is a text already; let the name of the output end in .pb.")
    if source.suffix == SUFFIX and version != TEXT:
        raise ConfigError(
            f"{source}: is a text; write it as a .pb file with 'deepattn convert-from pbtxt' first."
        )
    if target.suffix == SUFFIX:
        content = graph_as_text(read_message(source), source).encode()
    elif version == TEXT:
        content = graph_from_text(source).SerializeToString(deterministic=True)
    else:
        content = upgraded(read_message(source), str(source), version=version).serialize()
    with write_whole(target) as file:
        file.write(content)
    return target
