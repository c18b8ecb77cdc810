"""Build backend: setuptools, compiling against the TensorFlow that the package will run with.

That is the one installed where the package goes, even under build isolation; if there is none,
a supported TensorFlow is added to the build environment. ``tools/build_wheels.py`` compiles by
itself, for several versions, and hands the libraries over in the setting ``libraries``, with the
``platform`` that they run on.
"""

import importlib.util
import os
import tempfile
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

ROOT = Path(__file__).resolve().parents[1]


def get_requires_for_build_wheel(config_settings=None):
    """What a wheel is built with."""
    needs = build_meta.get_requires_for_build_wheel(config_settings)
    return needs if (config_settings or {}).get("libraries") else [*needs, *_tensorflow()]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """A wheel of libraries that are compiled now, or of those in the settings."""
    settings = dict(config_settings or {})
    libraries, platform = settings.pop("libraries", None), settings.pop("platform", None)
    if not libraries:
        return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    with tempfile.TemporaryDirectory() as folder:
        options = Path(folder) / "options.cfg"
        options.write_text(
            f"[build_ops]\nlibraries = {libraries}\n[bdist_wheel]\nplat_name = {platform}\n"
        )
        os.environ["DIST_EXTRA_CONFIG"] = str(options)  # the options of setup.py's commands
        return build_meta.build_wheel(wheel_directory, settings, metadata_directory)


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
