"""Keys of the ``descriptor`` section of the type dpa2."""

from dargs import Argument

from deepattn.config.argument import key, required, section
from deepattn.config.texts import (
    ACTIVATION,
    AXIS_NEURON,
    DAVG_ZERO,
    EXCLUDE_TYPES,
    PRECISION,
    RCUT_SMTH,
    RESNET,
    SEED,
    TEBD_INPUT_MODE,
    TRAINABLE,
    USE_ECONF_TEBD,
)

_NSEL = "Largest number of neighbors, auto or auto:factor"


def dpa2() -> list[Argument]:
    """Two blocks, and what they have in common."""
    return [
        section("repinit", _repinit(), [], "The block that starts the features of atoms."),
        section("repformer", _repformer(), [], "The layers that pass messages between atoms."),
        key("concat_output_tebd", bool, True, "Whether the type vector is part of the result."),
        key("precision", str, "default", PRECISION),
        key("smooth", bool, True, "Whether neighbors fade out at the cutoffs of all blocks."),
        key("exclude_types", list[list[int]], [], EXCLUDE_TYPES),
        key("env_protection", float, 0.0, "Added to distances that divide, Å."),
        key("trainable", bool, True, TRAINABLE),
        key("seed", [int, None], None, SEED),
        key(
            "add_tebd_to_repinit_out",
            bool,
            False,
            "Whether a map of the type vector is added to the first features.",
            alias=("repformer_add_type_ebd_to_seq",),
        ),
        key("use_econf_tebd", bool, False, USE_ECONF_TEBD),
        key("use_tebd_bias", bool, False, "Whether the type embedding has a bias."),
    ]


def _repinit() -> list[Argument]:
    return [
        required("rcut", float, "Cutoff radius, Å; the largest of all blocks."),
        required("rcut_smth", float, RCUT_SMTH),
        required("nsel", [int, str], f"{_NSEL}; the list of repinit is the longest of all blocks."),
        key("neuron", list[int], [25, 50, 100], "Widths of the embedding net."),
        key("axis_neuron", int, 16, AXIS_NEURON),
        key("tebd_dim", int, 8, "Width of the type vectors."),
        key("tebd_input_mode", str, "concat", TEBD_INPUT_MODE),
        key("set_davg_zero", bool, True, DAVG_ZERO),
        key("activation_function", str, "tanh", ACTIVATION),
        key("resnet_dt", bool, False, RESNET),
        key("type_one_side", bool, False, "Whether the embedding ignores the center's element."),
        key("use_three_body", bool, False, "Whether angles between neighbors start features too."),
        key("three_body_neuron", list[int], [2, 4, 8], "Widths of the net of angles."),
        key("three_body_sel", [int, str], 40, f"{_NSEL} for angles."),
        key("three_body_rcut", float, 4.0, "Cutoff radius for angles, Å."),
        key("three_body_rcut_smth", float, 0.5, "Where its switching to zero begins, Å."),
    ]


def _repformer() -> list[Argument]:
    return [
        required("rcut", float, "Cutoff radius, Å; smaller than that of repinit."),
        required("rcut_smth", float, RCUT_SMTH),
        required("nsel", [int, str], f"{_NSEL}; smaller than that of repinit."),
        key("nlayers", int, 3, "Number of layers."),
        key("g1_dim", int, 128, "Width of g1, the features of atoms."),
        key("g2_dim", int, 16, "Width of g2, the features of pairs."),
        key("axis_neuron", int, 4, "Columns in the first factor of invariants."),
        key(
            "direct_dist",
            bool,
            False,
            "Whether distances and vectors enter as they are, over rcut, not switched.",
        ),
        *_terms(),
        key("activation_function", str, "tanh", ACTIVATION),
        key(
            "update_style",
            str,
            "res_avg",
            "How terms are added up: res_avg, res_incr, or res_residual with trained weights.",
        ),
        key("update_residual", float, 0.001, "Size of these weights at the start."),
        key(
            "update_residual_init",
            str,
            "norm",
            "How they start: norm, drawn with that standard deviation, or const.",
        ),
        key("set_davg_zero", bool, True, DAVG_ZERO),
        key("trainable_ln", bool, True, "Whether the layer normalization is trained."),
        key(
            "use_sqrt_nnei",
            bool,
            True,
            "Whether moments are divided by the root of the number of slots (if not smooth, of "
            "neighbors), not by that number.",
        ),
        key("g1_out_conv", bool, True, "Whether the convolution is a term of its own."),
        key("g1_out_mlp", bool, True, "Whether a layer of g1 itself is a term of its own."),
        key("ln_eps", [float, None], None, "Epsilon of the layer normalization; null is 1e-5."),
    ]


def _terms() -> list[Argument]:
    """What is added to the features in a layer."""
    return [
        key("update_g1_has_conv", bool, True, "Whether g1 gets a convolution with g2."),
        key("update_g1_has_drrd", bool, True, "Whether g1 gets invariants of the neighbors' g1."),
        key("update_g1_has_grrg", bool, True, "Whether g1 gets invariants of g2."),
        key("update_g1_has_attn", bool, True, "Whether g1 attends to the neighbors' g1."),
        key("update_g2_has_g1g1", bool, True, "Whether g2 gets a product of both atoms' g1."),
        key("update_g2_has_attn", bool, True, "Whether g2 attends to other neighbors."),
        key("update_h2", bool, False, "Whether the vectors of pairs are updated by attention."),
        key("attn1_hidden", int, 64, "Width of the attention of g1."),
        key("attn1_nhead", int, 4, "Heads of the attention of g1."),
        key("attn2_hidden", int, 16, "Width of the attention of g2."),
        key("attn2_nhead", int, 4, "Heads of the attention of g2."),
        key("attn2_has_gate", bool, False, "Whether angles gate the logits of that attention too."),
    ]
