"""Running functions of TensorFlow once."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

_OFF = "disable_meta_optimizer"


@contextmanager
def unoptimized() -> Iterator[None]:
    """Run functions as they are: to rewrite a graph takes longer than to run it once."""
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({_OFF: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OFF: options.get(_OFF, False)})
