"""The keys of an input for people and editors, in the forms that dargs knows."""

import copy
import json

from dargs import Argument, ArgumentEncoder
from dargs.json_schema import generate_json_schema

from deepattn.config.argument import Internal, Refused
from deepattn.config.tree import input_schema

FORMS = ("rst", "json", "json_schema")


def document(form: str) -> str:
    """Describe every supported key.

    Args:
        form: ``rst`` for a page, ``json_schema`` for editors that check and complete an input while
            it is written, ``json`` for programs such as DP-GUI.
    """
    schema = _supported(input_schema())
    if form == "rst":
        return schema.gen_doc(make_anchor=True, make_link=True)
    if form == "json":
        return json.dumps(schema, cls=ArgumentEncoder, ensure_ascii=False)
    if form == "json_schema":
        described = generate_json_schema(schema, id="deepattn/input.schema.json")
        return json.dumps(described, indent=1, ensure_ascii=False)
    raise ValueError(f"form must be one of {list(FORMS)}, not {form!r}")


def _supported(argument: Argument) -> Argument:
    """A copy without the keys that are known only to be refused, and those that no input has."""
    argument = copy.copy(argument)
    argument.sub_fields = {
        name: _supported(field)
        for name, field in argument.sub_fields.items()
        if not isinstance(field, Refused | Internal)
    }
    variants = {}
    for name, variant in argument.sub_variants.items():
        variants[name] = copy.copy(variant)
        variants[name].choice_dict = {
            tag: _supported(choice)
            for tag, choice in variant.choice_dict.items()
            if not isinstance(choice, Internal)
        }
    argument.sub_variants = variants
    return argument
