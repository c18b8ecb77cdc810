"""Build backend: setuptools, compiling against the TensorFlow that the package will run with.

That is the one installed where the package goes, even under build isolation; if there is none,
a supported TensorFlow is added to the build environment.
"""

import importlib.util
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

ROOT = Path(__file__).resolve().parents[1]


def get_requires_for_build_wheel(config_settings=None):
    """What a wheel is built with."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_tensorflow()]


def get_requires_for_build_editable(config_settings=None):
    """What an editable install is built with."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_tensorflow()]


def _tensorflow():
    path = ROOT / "deepattn" / "ops" / "build.py"
    spec = importlib.util.spec_from_file_location("deepattn_ops_build", path)
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    if builder.target_tensorflow() is not None:
        return []
    return [builder.requirement()]
