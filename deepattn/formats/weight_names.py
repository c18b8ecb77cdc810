"""Names of weights that several packages use; those are the names of DeePMD's frozen graphs."""

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
