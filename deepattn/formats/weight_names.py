"""Names of weights that several packages use; those are the names of DeePMD's frozen graphs."""

import re

# What scopes of a frozen graph end with in a linear combination of models.
_OF_MODEL = re.compile(r"_model(\d+)(?=/)")
# What they end with in the models of type pairwise_dprc, in the order of their places. Layers of
# users' names are not of these.
FRAGMENTS = ("qm", "qmmm")
_OF_FRAGMENTS = re.compile(rf"^(?!share_)([^/]*)_({'|'.join(FRAGMENTS)})/")
# Energies that are added for the elements, and the number of the branch in a fitting of several.
BIAS = "fitting_attr/t_bias_atom_e"
# Of properties, as contributions of atoms.
PROPERTY_MEAN = "fitting_attr/own/property_mean"
PROPERTY_SPREAD = "fitting_attr/own/property_std"
CASE = "fitting_attr/t_case_embd"

# Energies of pairs.
TABLE_INFO, TABLE_DATA = "model_attr/t_tab_info", "model_attr/t_tab_data"

# Offset and factor of atomic energies in graphs of DeePMD-kit 3.2.
OUT_BIAS = "model_attr/model_attr/t_out_bias"
OUT_STD = "model_attr/model_attr/t_out_std"

# Beginnings of the names of weights of descriptors.
_OF_DESCRIPTORS = ("filter_type_", "attention_layer_", "descrpt_attr")


def of_part(name: str, part: int) -> str:
    """The name of a weight of one of the descriptors of a hybrid.

    Args:
        name: Its name in a model with that descriptor alone: ``filter_type_all/matrix_1``.
        part: Place of the descriptor: ``filter_type_all_0/matrix_1``.
    """
    scope, _, rest = name.partition("/")
    return f"{scope}_{part}/{rest}"


def of_model(name: str, place: int) -> str:
    """The name of a weight of one of the models of a linear combination that is not trained.

    Args:
        name: Its name in that model alone.
        place: Place of the model in the combination.
    """
    return f"model{place}/{name}"


def in_graph(name: str, place: int) -> str:
    """The name that a frozen graph of a linear combination has for a weight of one of its models.

    Args:
        name: Its name in that model alone: ``layer_0/matrix``.
        place: Place of the model: ``layer_0_model1/matrix``.
    """
    scope, _, rest = name.partition("/")
    return f"{scope}_model{place}/{rest}"


def from_graph(name: str) -> str:
    """The reverse: the name with the place of the model in front, ``model1/layer_0/matrix``; every
    other name as it is."""
    fragments = _OF_FRAGMENTS.match(name)
    if fragments is not None:
        return of_model(f"{fragments[1]}/{name[fragments.end() :]}", FRAGMENTS.index(fragments[2]))
    places = _OF_MODEL.findall(name)
    return of_model(_OF_MODEL.sub("", name), int(places[0])) if places else name


def of_fragments(name: str, place: int) -> str:
    """The name that a frozen graph of QM/MM by pairs has for a weight of one of its models.

    Args:
        name: Its name in that model alone: ``layer_0/matrix``.
        place: Place of the model in `FRAGMENTS`: ``layer_0_qm/matrix``.
    """
    scope, _, rest = name.partition("/")
    return f"{scope}_{FRAGMENTS[place]}/{rest}"


def alone(name: str, part: int) -> str | None:
    """The name of a weight in a model with one of the descriptors of a hybrid alone; None if it is
    of another part of the model.

    Args:
        name: Its name in the model of the hybrid.
        part: Place of the descriptor.
    """
    scope, _, rest = name.partition("/")
    if not scope.startswith(_OF_DESCRIPTORS) or not scope.endswith(f"_{part}"):
        return None
    return f"{scope.removesuffix(f'_{part}')}/{rest}"


def is_first_slots(name: str) -> bool:
    """Whether a weight is the numbers of neighbor slots of the first training."""
    return name.startswith("descrpt_attr") and name.endswith("/original_sel")
