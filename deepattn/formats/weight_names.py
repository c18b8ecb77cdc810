"""Names of weights that several rooms speak of; those are the names of DeePMD's frozen graphs."""

# Energies that are added for the elements, and the number of the branch in a fitting of several.
BIAS = "fitting_attr/t_bias_atom_e"
CASE = "fitting_attr/t_case_embd"

# What graphs of DeePMD-kit 3.2 add to their atomic energies, and multiply them by.
OUT_BIAS = "model_attr/model_attr/t_out_bias"
OUT_STD = "model_attr/model_attr/t_out_std"
