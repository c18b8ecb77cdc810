"""Names of weights that several packages use; those are the names of DeePMD's frozen graphs."""

# Energies that are added for the elements, and the number of the branch in a fitting of several.
BIAS = "fitting_attr/t_bias_atom_e"
CASE = "fitting_attr/t_case_embd"

# Offset and factor of atomic energies in graphs of DeePMD-kit 3.2.
OUT_BIAS = "model_attr/model_attr/t_out_bias"
OUT_STD = "model_attr/model_attr/t_out_std"
