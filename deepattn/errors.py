"""The exceptions a user meets.

Each message is one sentence: what is wrong, where (file, key, system, frame, atom), what to do.
The command line prints it after ``deepattn: error:`` and exits with 1. The traceback of any other
exception, which is a bug, goes to a file.
"""

_SHOWN = 60


def show(value: object) -> str:
    """A value as a message quotes it: escaped, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class DeepattnError(Exception):
    """Base of every error that is the input's fault, not the program's."""


class ConfigError(DeepattnError, ValueError):
    """An input file that cannot be read, upgraded or validated."""


class DataError(DeepattnError, ValueError):
    """Training or test data that are missing, malformed or unphysical."""


class ModelFileError(DeepattnError, ValueError):
    """A frozen graph or checkpoint that is corrupt, unsafe or does not fit."""


class OpLibraryError(DeepattnError, RuntimeError):
    """Something needs the compiled op library, and it cannot be loaded."""


class DistributionError(DeepattnError, RuntimeError):
    """A worker of a distributed training has stopped or never came."""


class BackendError(DeepattnError, ImportError):
    """Keras runs on something else than TensorFlow."""


class ForkError(DeepattnError, RuntimeError):
    """A forked process wants to use TensorFlow, which its parent has started."""


class DownloadError(DeepattnError, RuntimeError):
    """A file that cannot be downloaded, or is not what was asked for."""


class BusyError(DeepattnError, RuntimeError):
    """Files that another process is writing."""
