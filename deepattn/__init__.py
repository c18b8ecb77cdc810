"""Attention-based deep potentials in TensorFlow and Keras, in DeePMD-kit's formats."""

__version__ = "0.1.0"
