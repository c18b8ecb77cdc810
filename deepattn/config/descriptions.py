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
AXIS_NEURON = "Number of columns of the embedding in the second factor of the descriptor."
DAVG_ZERO = "Whether the mean of the environment matrix is set to zero."
EXCLUDE_TYPES = "Pairs of types that do not interact."
RCUT = "Cutoff radius, Å."
RCUT_SMTH = "Radius where the switching function starts, Å."
TEBD_INPUT_MODE = (
    "How type embeddings enter: concat, as further inputs of the embedding net; strip, in a "
    "separate net."
)
TYPE_ONE_SIDE = "Whether the embedding ignores the type of the center."
TRAINABLE = "Whether the descriptor is trained."
USE_ECONF_TEBD = (
    "Whether the type embedding starts from electron configurations instead of one-hot vectors."
)
# Why energies of a descriptor jump at the cutoff.
UNSMOOTH_ATTENTION = "its attention counts a neighbor fully or not at all"
SHIFTED = (
    "with set_davg_zero false an empty place in the list of neighbors counts, as a type of its own"
)
