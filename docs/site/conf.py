"""The documentation site: the pages of the repository, in place, and the API reference.

    sphinx-build -W --keep-going -c docs/site . build/site

Sources are read from the root of the repository, so a link that works on GitHub works here.
"""

import inspect

import keras
from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

import deepattn

project = "deepattn"
author = "the deepattn authors"
release = deepattn.__version__

extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_external_toc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
include_patterns = ["*.md", "benchmarks/**README.md", "docs/**", "examples/**"]
exclude_patterns = [".*", "build", "**/.ipynb_checkpoints"]
external_toc_path = "docs/site/toc.yml"

# Equations as GitHub has them: $…$ and $$…$$.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"
nb_merge_streams = True

highlight_language = "text"
toc_object_entries_show_parents = "hide"
default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
# Keras's own docstrings are Markdown, and about layers in general.
autodoc_inherit_docstrings = False
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_custom_sections = [
    ("Call arguments", "params_style"),
    ("Class attributes", "params_style"),
    ("Shapes", "params_style"),
]
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "deepattn"
html_extra_path = ["index.html"]
html_copy_source = False
html_show_copyright = False


def _arguments(app, what, name, obj, options, signature, result):
    """Give the arguments of a Keras class as written; Keras's ``__new__`` hides them."""
    if what == "class" and issubclass(obj, keras.layers.Layer):
        return stringify_signature(inspect.signature(obj)), result
    return None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", _arguments)
