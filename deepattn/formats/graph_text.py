"""Frozen graphs as text (``.pbtxt``)."""

import os
from pathlib import Path

from google.protobuf import text_format

from deepattn.errors import ModelFileError
from deepattn.formats.messages import GraphDef

SUFFIX = ".pbtxt"


def graph_as_text(message: GraphDef, origin: str | os.PathLike) -> str:
    """A graph in the text form of protocol buffers.

    Raises:
        ModelFileError: The graph has functions, of which only bytes are known here.
    """
    if message.library.function or message.library.gradient:
        raise ModelFileError(
            f"{origin}: refused: the graph contains functions, which a frozen model of "
            "DeePMD-kit never has"
        )
    return text_format.MessageToString(message)


def graph_from_text(path: str | os.PathLike) -> GraphDef:
    """Parse a graph from its text form.

    Args:
        path: The file.

    Raises:
        ModelFileError: The file is not such a text.
    """
    try:
        message = text_format.Parse(Path(path).read_bytes(), GraphDef())
    except (text_format.ParseError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0].rstrip(" .") or type(error).__name__
        raise ModelFileError(f"{path}: is not a graph as text: {reason}") from None
    if not message.node:
        raise ModelFileError(f"{path}: is not a graph as text: it has no nodes")
    return message
