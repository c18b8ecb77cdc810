"""Compiles the op libraries along with the package; everything else is in pyproject.toml."""

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent


def load_builder():
    """``deepattn.ops.build`` without its package, whose import needs TensorFlow."""
    path = ROOT / "deepattn" / "ops" / "build.py"
    spec = importlib.util.spec_from_file_location("deepattn_ops_build", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildOps(Command):
    """Compiles the libraries and ships their sources, to compile again for another TensorFlow."""

    description = "compile the op libraries"
    user_options: ClassVar = [("libraries=", None, "folder of libraries that are compiled already")]

    def initialize_options(self):
        """Sets what setuptools fills in later."""
        self.build_lib = None
        self.libraries = None
        self.editable_mode = False

    def finalize_options(self):
        """Takes the target folder from ``build``."""
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def run(self):
        """An install without libraries still works, slower; it says so and goes on."""
        package = ROOT if self.editable_mode else Path(self.build_lib).resolve()
        package = package / "deepattn" / "ops"
        if not self.editable_mode:
            shutil.rmtree(package / "src", ignore_errors=True)
            for part in ("kernels", "tf"):
                shutil.copytree(ROOT / "ops" / part, package / "src" / part)
        if self.libraries:
            shutil.copytree(self.libraries, package / "lib")
            return
        builder = load_builder()
        try:
            output = builder.build(
                package / "lib", source=ROOT / "ops", tensorflows=[builder.find_tensorflow()]
            )
            print(f"deepattn: {builder.describe(output)}", file=sys.stderr)
        except (builder.BuildError, OSError) as error:
            print(
                "deepattn: the compiled ops could not be built, plain TensorFlow ops will be used; "
                f"to build them later run: {builder.COMMAND}",
                file=sys.stderr,
            )
            print(error, file=sys.stderr)

    def get_source_files(self):
        """What an sdist needs for this step."""
        sources = [path for kind in ("cc", "cu", "h") for path in ROOT.glob(f"ops/**/*.{kind}")]
        return [str(path.relative_to(ROOT)) for path in sources]

    def get_outputs(self):
        """What the wheel gains by this step."""
        package = Path(self.build_lib) / "deepattn" / "ops"
        return [str(path) for part in ("lib", "src") for path in (package / part).rglob("*.*")]

    def get_output_mapping(self):
        """Nothing stands for a file of the checkout: an editable install builds in place."""
        return {}


class Build(build):
    """``build``, with the op libraries."""

    sub_commands: ClassVar = [*build.sub_commands, ("build_ops", None)]

    def run(self):
        """Starts afresh: what an earlier build left must not ship."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class PlatformWheel(bdist_wheel):
    """The libraries depend on the machine and on TensorFlow, but not on the version of Python."""

    def get_tag(self):
        """One wheel for all Pythons of this platform."""
        return "py3", "none", super().get_tag()[2]


class PlatformDistribution(Distribution):
    """A distribution that holds compiled code, though no extension modules."""

    def has_ext_modules(self):
        """Asks for a folder and a wheel of this platform."""
        return True


setup(
    distclass=PlatformDistribution,
    cmdclass={"build": Build, "build_ops": BuildOps, "bdist_wheel": PlatformWheel},
)
