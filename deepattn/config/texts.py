"""Descriptions of keys that several sections have."""

PYTORCH = "it belongs to the PyTorch backend"
ACTIVATION = (
    "Activation: tanh, relu, relu6, softplus, sigmoid, gelu, gelu_tf, silu, silut, silut:x "
    "(threshold x), linear or none; case does not matter."
)
PRECISION = (
    "Precision of the weights: float32, float64, or default, the interface precision (float64, or "
    "float32 with DP_INTERFACE_PREC=low)."
)
RESNET = "Whether the residual layers have a trainable time step."
SEED = "Seed of the initial weights; null draws a random one."
AXIS_NEURON = "Columns of the embedding in the descriptor's second factor."
DAVG_ZERO = "Whether the mean of the input is taken as zero."
EXCLUDE_TYPES = "Pairs of types that do not see each other."
RCUT = "Cutoff radius, Å."
RCUT_SMTH = "Where the switching to zero begins, Å."
TEBD_INPUT_MODE = "How types enter: concat beside the distance, strip in a net of their own."
TRAINABLE = "Whether the descriptor is trained."
USE_ECONF_TEBD = "Whether elements enter as their electron configurations, not as one-hot vectors."
