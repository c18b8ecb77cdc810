"""Keys of the ``model`` section."""

from dargs import Argument, Variant

from deepattn.config.argument import OfTasks, Refused, key, section
from deepattn.config.schema.dpa2 import dpa2
from deepattn.config.texts import (
    ACTIVATION,
    AXIS_NEURON,
    DAVG_ZERO,
    EXCLUDE_TYPES,
    PRECISION,
    PYTORCH,
    RCUT,
    RCUT_SMTH,
    RESNET,
    SEED,
    TEBD_INPUT_MODE,
    TRAINABLE,
    USE_ECONF_TEBD,
)

_TABLE = "interpolation to a tabulated potential is not supported"


def model_section() -> Argument:
    """The network: elements, descriptor, fitting net."""
    return section(
        "model",
        [
            OfTasks("model_dict"),
            OfTasks("shared_dict"),
            Refused("modifier", hint="long-range corrections are not supported"),
            Refused("compress", hint="give the model that was compressed instead"),
            Refused("spin", hint="models of magnetic moments are not supported"),
            OfTasks("finetune_head"),
            Refused("use_srtab", hint=_TABLE),
            Refused("smin_alpha", hint=_TABLE),
            Refused("sw_rmin", hint=_TABLE),
            Refused("sw_rmax", hint=_TABLE),
            Refused("srtab_add_bias", True, hint=_TABLE),
            Refused("pair_exclude_types", [], hint="use model/descriptor/exclude_types"),
            Refused("atom_exclude_types", [], hint="leave those atoms out of the data"),
            key(
                "type_map",
                list[str],
                [],
                "Names of the elements; an atom's type is an index into them. Required for "
                "se_atten and wherever sel is automatic.",
            ),
            key(
                "data_stat_nbatch",
                int,
                10,
                "Batches of each system that the statistics of the input are taken from.",
            ),
            key(
                "data_stat_protect",
                float,
                1e-2,
                "Smallest standard deviation of frame and atomic parameters.",
            ),
            key(
                "data_bias_nsample",
                int,
                10,
                "Frames of each system that fine-tuning fits the energy bias to; 0 takes all.",
            ),
            key(
                "preset_out_bias",
                [dict, None],
                None,
                'Energy bias of some elements, {"energy": [null, -3.2]} in eV; null is fitted.',
            ),
            key(
                "convention",
                [str, None],
                None,
                "Whose details the model has: tensorflow, DeePMD-kit's TensorFlow backend, or "
                "common, its other backends; only a common model with attention or "
                "smooth_type_embedding can be written as .dp. Null: tensorflow; dpa2 is common.",
            ),
            _type_embedding(),
        ],
        [
            Variant(
                "type",
                [
                    Argument(
                        "standard",
                        dict,
                        [
                            section("descriptor", [], [_descriptors()], "What an atom sees."),
                            section("fitting_net", [], [_fittings()], "From descriptor to energy."),
                            OfTasks("model_branch_alias", []),
                            OfTasks("info", {}),
                            Refused("bridging_method", "None", hint=PYTORCH),
                            Refused("bridging_r_inner", 0.5, hint=PYTORCH),
                            Refused("bridging_r_outer", 0.8, hint=PYTORCH),
                        ],
                        doc="Descriptor and fitting net.",
                    )
                ],
                optional=True,
                default_tag="standard",
                doc="Kind of the model.",
            )
        ],
        "The network.",
    )


def _type_embedding() -> Argument:
    return Argument(
        "type_embedding",
        dict,
        [
            key("neuron", list[int], [8], "Widths of the layers; the last is the vector's."),
            key("activation_function", str, "tanh", ACTIVATION),
            key("resnet_dt", bool, False, RESNET),
            key("precision", str, "default", PRECISION),
            key("trainable", bool, True, "Whether the vectors are trained."),
            key("seed", [int, None], None, SEED),
            key(
                "use_econf_tebd",
                bool,
                False,
                USE_ECONF_TEBD,
            ),
            key(
                "use_tebd_bias",
                bool,
                False,
                "Whether the layers have a bias, as they always had before DeePMD-kit 3.0.",
            ),
        ],
        optional=True,
        doc="Vectors that stand for the elements. An se_atten model without this section has "
        "one linear layer of 8 and no bias; an empty section has tanh instead. With se_e2_a one "
        "net then serves all pairs of types.",
    )


def _descriptors() -> Variant:
    return Variant(
        "type",
        [
            Argument("se_e2_a", dict, _se_e2_a(), alias=["se_a"], doc="DeepPot-SE."),
            Argument("se_atten", dict, _se_atten(), alias=["dpa1"], doc="DPA-1."),
            Argument(
                "se_atten_v2",
                dict,
                _se_atten_v2(),
                doc="DPA-1 with tebd_input_mode strip and smooth_type_embedding true.",
            ),
            Argument("dpa2", dict, dpa2(), doc="DPA-2 (docs/dpa2.md)."),
        ],
        doc="Kind of the descriptor.",
    )


def _environment(sel_types: list, sel_doc: str) -> list[Argument]:
    return [
        key("sel", sel_types, "auto", sel_doc),
        key("rcut", float, 6.0, RCUT),
        key("rcut_smth", float, 0.5, RCUT_SMTH),
        key("neuron", list[int], [10, 20, 40], "Widths of the embedding net."),
        key(
            "axis_neuron",
            int,
            4,
            AXIS_NEURON,
            alias=("n_axis_neuron",),
        ),
        key("activation_function", str, "tanh", ACTIVATION),
        key("resnet_dt", bool, False, RESNET),
        key("type_one_side", bool, False, "Whether the embedding ignores the center's element."),
        key("precision", str, "default", PRECISION),
        key("trainable", bool, True, TRAINABLE),
        key("seed", [int, None], None, SEED),
        key("exclude_types", list[list[int]], [], EXCLUDE_TYPES),
        Refused("env_protection", 0.0, hint=PYTORCH),
    ]


def _davg_zero(default: bool) -> Argument:
    return key("set_davg_zero", bool, default, DAVG_ZERO)


def _se_e2_a() -> list[Argument]:
    doc = (
        "Largest number of neighbors of each type, or auto, or auto:f: the largest number in the "
        "training data times f (1.1), rounded up to a multiple of 4."
    )
    return [*_environment([list[int], str], doc), _davg_zero(False)]


def _attention() -> list[Argument]:
    doc = (
        "Largest number of neighbors; a list counts as its sum; auto or auto:f takes the largest "
        "number in the training data times f (1.1), rounded up to a multiple of 4."
    )
    return [
        *_environment([int, list[int], str], doc),
        key("attn", int, 128, "Width of the attention."),
        key("attn_layer", int, 2, "Number of attention layers."),
        key("attn_dotr", bool, True, "Whether angles gate the attention."),
        key("attn_mask", bool, False, "Whether a neighbor is barred from attending to itself."),
        key("trainable_ln", bool, True, "Whether the layer normalization is trained."),
        key(
            "ln_eps",
            [float, None],
            None,
            "Epsilon of the layer normalization; null is 1e-3, or 1e-5 with convention common.",
        ),
        Refused("lmax", hint=PYTORCH),
        Refused("tebd_dim", 8, hint="set the last width of model/type_embedding/neuron"),
        Refused("use_econf_tebd", False, hint="set model/type_embedding/use_econf_tebd"),
        Refused("use_tebd_bias", False, hint="set model/type_embedding/use_tebd_bias"),
        Refused("scaling_factor", 1.0, hint=PYTORCH),
        Refused("normalize", True, hint=PYTORCH),
        key(
            "temperature",
            [float, None],
            None,
            "Factor of the attention's scores. Null: 1, or 1/√attn with model/convention common, "
            "which any other number needs too.",
        ),
        Refused("concat_output_tebd", True, hint=PYTORCH),
    ]


def _se_atten() -> list[Argument]:
    return [
        *_attention(),
        _davg_zero(True),
        key(
            "tebd_input_mode",
            str,
            "concat",
            TEBD_INPUT_MODE,
        ),
        key(
            "stripped_type_embedding",
            [bool, None],
            None,
            "Old form of tebd_input_mode: true is strip, false is concat.",
        ),
        key(
            "smooth_type_embedding",
            bool,
            False,
            "Whether type factors and attention fade out at the cutoff.",
            alias=("smooth_type_embdding",),
        ),
    ]


def _se_atten_v2() -> list[Argument]:
    return [*_attention(), _davg_zero(False)]


def _fittings() -> Variant:
    ener = [
        Refused("default_fparam", hint="give fparam.npy in the data"),
        Refused("layer_name", hint="layers are not shared between models"),
        Refused("use_aparam_as_mask", False, hint="mark virtual atoms with type -1"),
        key("numb_fparam", int, 0, "Number of frame parameters (fparam.npy)."),
        key("numb_aparam", int, 0, "Number of atomic parameters (aparam.npy)."),
        key(
            "dim_case_embd",
            int,
            0,
            "Width of the vector that tells a net shared by several tasks which one it is: their "
            "number, or 0 (docs/multi-task.md).",
        ),
        key("neuron", list[int], [120, 120, 120], "Widths of the layers.", alias=("n_neuron",)),
        key("activation_function", str, "tanh", ACTIVATION),
        key("precision", str, "default", PRECISION),
        key("resnet_dt", bool, True, RESNET),
        key(
            "trainable",
            [bool, list[bool]],
            True,
            "Whether the net is trained; a list gives each layer and the output.",
        ),
        key("rcond", [float, None], None, "Cutoff of the least squares for the energy bias."),
        key("seed", [int, None], None, SEED),
        key(
            "atom_ener",
            list[float | None],
            [],
            "Energies of isolated atoms by type, eV; null is fitted.",
        ),
    ]
    return Variant(
        "type",
        [Argument("ener", dict, ener, doc="Atomic energies.")],
        optional=True,
        default_tag="ener",
        doc="Kind of the fitting net.",
    )
