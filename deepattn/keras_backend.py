"""Importing this makes sure that Keras runs on TensorFlow, the only backend with forces here.

Packages and modules that import Keras import this first.
"""

import os

from deepattn.errors import BackendError

_HELP = "set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."


def _require_tensorflow() -> None:
    try:
        import keras
    except (ImportError, ValueError) as error:
        # That of a backend that is not installed, or that Keras does not know.
        if os.environ.get("KERAS_BACKEND") == "tensorflow":
            raise
        raise BackendError(
            f"Keras cannot be imported with the backend that {_chosen_by()} names ({error}), and "
            f"deepattn needs the one of TensorFlow: {_HELP}"
        ) from None
    name = keras.config.backend()
    if name != "tensorflow":
        raise BackendError(
            f"Keras runs on {name}, which {_chosen_by()} names, and deepattn needs TensorFlow: "
            f"{_HELP}"
        )


def _chosen_by() -> str:
    if os.environ.get("KERAS_BACKEND"):
        return "KERAS_BACKEND"
    folder = os.environ.get("KERAS_HOME", os.path.join("~", ".keras"))
    return os.path.join(folder, "keras.json")


_require_tensorflow()
