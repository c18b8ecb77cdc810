"""Keys of the ``model`` section."""

from dargs import Argument, Variant

from deepattn.config.schema.argument import Refused, key, section

_PYTORCH = "it belongs to the PyTorch backend"
_TABLE = "interpolation to a tabulated potential is not supported"
_ACTIVATION = (
    "Activation: tanh, relu, relu6, softplus, sigmoid, gelu, gelu_tf, silu, silut, silut:x "
    "(threshold x), linear or none; case does not matter."
)
_PRECISION = (
    "Precision of the weights: float32, float64, or default, the interface precision (float64, or "
    "float32 with DP_INTERFACE_PREC=low)."
)
_RESNET = "Whether the residual layers have a trainable time step."
_SEED = "Seed of the initial weights; null draws a random one."


def model_section() -> Argument:
    """The network: elements, descriptor, fitting net."""
    return section(
        "model",
        [
            Refused("model_dict", hint="train one task at a time"),
            Refused("shared_dict", hint="train one task at a time"),
            Refused("modifier", hint="long-range corrections are not supported"),
            Refused("compress", hint="give the model that was compressed instead"),
            Refused("spin", hint="models of magnetic moments are not supported"),
            Refused("finetune_head", hint=_PYTORCH),
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
                str,
                "tensorflow",
                "Whose details the model has: tensorflow, DeePMD-kit's TensorFlow backend, or "
                "common, its other backends; only a common model with attention or "
                "smooth_type_embedding can be written as .dp.",
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
                            Refused("model_branch_alias", [], hint=_PYTORCH),
                            Refused("info", {}, hint=_PYTORCH),
                            Refused("bridging_method", "None", hint=_PYTORCH),
                            Refused("bridging_r_inner", 0.5, hint=_PYTORCH),
                            Refused("bridging_r_outer", 0.8, hint=_PYTORCH),
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
            key("activation_function", str, "tanh", _ACTIVATION),
            key("resnet_dt", bool, False, _RESNET),
            key("precision", str, "default", _PRECISION),
            key("trainable", bool, True, "Whether the vectors are trained."),
            key("seed", [int, None], None, _SEED),
            key(
                "use_econf_tebd",
                bool,
                False,
                "Whether elements enter as their electron configurations, not as one-hot vectors.",
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
        ],
        doc="Kind of the descriptor.",
    )


def _environment(sel_types: list, sel_doc: str) -> list[Argument]:
    return [
        key("sel", sel_types, "auto", sel_doc),
        key("rcut", float, 6.0, "Cut-off radius, Å."),
        key("rcut_smth", float, 0.5, "Where the switching to zero begins, Å."),
        key("neuron", list[int], [10, 20, 40], "Widths of the embedding net."),
        key(
            "axis_neuron",
            int,
            4,
            "Columns of the embedding in the descriptor's second factor.",
            alias=("n_axis_neuron",),
        ),
        key("activation_function", str, "tanh", _ACTIVATION),
        key("resnet_dt", bool, False, _RESNET),
        key("type_one_side", bool, False, "Whether the embedding ignores the centre's element."),
        key("precision", str, "default", _PRECISION),
        key("trainable", bool, True, "Whether the descriptor is trained."),
        key("seed", [int, None], None, _SEED),
        key("exclude_types", list[list[int]], [], "Pairs of types that do not see each other."),
        Refused("env_protection", 0.0, hint=_PYTORCH),
    ]


def _davg_zero(default: bool) -> Argument:
    return key("set_davg_zero", bool, default, "Whether the mean of the input is taken as zero.")


def _se_e2_a() -> list[Argument]:
    doc = (
        "Largest number of neighbours of each type, or auto, or auto:f: the largest number in the "
        "training data times f (1.1), rounded up to a multiple of 4."
    )
    return [*_environment([list[int], str], doc), _davg_zero(False)]


def _attention() -> list[Argument]:
    doc = (
        "Largest number of neighbours; a list counts as its sum; auto or auto:f takes the largest "
        "number in the training data times f (1.1), rounded up to a multiple of 4."
    )
    return [
        *_environment([int, list[int], str], doc),
        key("attn", int, 128, "Width of the attention."),
        key("attn_layer", int, 2, "Number of attention layers."),
        key("attn_dotr", bool, True, "Whether angles gate the attention."),
        key("attn_mask", bool, False, "Whether a neighbour is barred from attending to itself."),
        key("trainable_ln", bool, True, "Whether the layer normalisation is trained."),
        key("ln_eps", [float, None], None, "Epsilon of the layer normalisation; null is 1e-3."),
        Refused("lmax", hint=_PYTORCH),
        Refused("tebd_dim", 8, hint="set the last width of model/type_embedding/neuron"),
        Refused("use_econf_tebd", False, hint="set model/type_embedding/use_econf_tebd"),
        Refused("use_tebd_bias", False, hint="set model/type_embedding/use_tebd_bias"),
        Refused("scaling_factor", 1.0, hint=_PYTORCH),
        Refused("normalize", True, hint=_PYTORCH),
        key(
            "temperature",
            [float, None],
            None,
            "Factor of the attention's scores. Null: 1, or 1/√attn with model/convention common, "
            "which any other number needs too.",
        ),
        Refused("concat_output_tebd", True, hint=_PYTORCH),
    ]


def _se_atten() -> list[Argument]:
    return [
        *_attention(),
        _davg_zero(True),
        key(
            "tebd_input_mode",
            str,
            "concat",
            "How types enter: concat beside the distance, strip in a net of their own.",
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
            "Whether type factors and attention fade out at the cut-off.",
            alias=("smooth_type_embdding",),
        ),
    ]


def _se_atten_v2() -> list[Argument]:
    return [*_attention(), _davg_zero(False)]


def _fittings() -> Variant:
    ener = [
        Refused("default_fparam", hint="give fparam.npy in the data"),
        Refused("dim_case_embd", 0, hint="train one task at a time"),
        Refused("layer_name", hint="layers are not shared between models"),
        Refused("use_aparam_as_mask", False, hint="mark virtual atoms with type -1"),
        key("numb_fparam", int, 0, "Number of frame parameters (fparam.npy)."),
        key("numb_aparam", int, 0, "Number of atomic parameters (aparam.npy)."),
        key("neuron", list[int], [120, 120, 120], "Widths of the layers.", alias=("n_neuron",)),
        key("activation_function", str, "tanh", _ACTIVATION),
        key("precision", str, "default", _PRECISION),
        key("resnet_dt", bool, True, _RESNET),
        key(
            "trainable",
            [bool, list[bool]],
            True,
            "Whether the net is trained; a list gives each layer and the output.",
        ),
        key("rcond", [float, None], None, "Cut-off of the least squares for the energy bias."),
        key("seed", [int, None], None, _SEED),
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
