"""The operations a graph may contain: those of DeePMD-kit and pure ones of TensorFlow.

None of them reads or writes files, keeps state, calls back into Python, reaches the network, or
runs another graph; so opening an unknown file can compute, and nothing else. How much, and whether
TensorFlow survives it, `deepattn.formats.graph_bounds` judges. What DeePMD-kit's models do not
contain is not on the list, pure or not.
"""

# DeePMD-kit's own, as far as energy models of its TensorFlow backend contain them.
DEEPMD_OPS = frozenset(
    """
    ProdEnvMatA ProdEnvMatAMix ProdForceSeA ProdVirialSeA
    Gelu GeluGrad GeluCustom GeluGradCustom
    TabulateFusionSeA TabulateFusionSeAGrad TabulateFusionSeAtten TabulateFusionSeAttenGrad
    """.split()
)

# Of DeePMD-kit's graphs of se_e2_r, se_e3, se_a_mask, tables of pairs, magnetic moments and QM/MM
# by pairs, which are not run: their models are rebuilt from the weights.
REBUILT_OPS = frozenset(
    """
    Einsum ProdEnvMatR ProdForceSeR ProdVirialSeR DescrptSeAMask ProdForceSeAMask
    TabulateFusionSeR TabulateFusionSeRGrad TabulateFusionSeT TabulateFusionSeTGrad
    PairTab SoftMinSwitch SoftMinForce SoftMinVirial
    Assert DenseBincount
    DprcPairwiseIdx ConvertForwardMap SegmentSum
    """.split()
)

# Of graphs before DeePMD-kit 2.1, which are not run: `deepattn convert-from` renames them.
RENAMED_OPS = frozenset(
    """
    DescrptNorot ProdForceNorot ProdVirialNorot DescrptSeA DescrptSeR
    TabulateFusion TabulateFusionGrad
    """.split()
)

# Those of fast graphs, from libdeepattn_ops_tf*.so.
DEEPATTN_OPS = frozenset(
    """
    DeepattnGatedAttention DeepattnGatedAttentionGrad DeepattnInvariants DeepattnInvariantsGrad
    DeepattnPairEmbedding DeepattnPairEmbeddingGrad DeepattnProduct DeepattnSmoothPotential
    DeepattnTabulatedContraction DeepattnTabulatedContractionGrad
    DeepattnTabulatedEmbedding DeepattnTabulatedEmbeddingGrad DeepattnTabulatedPotential
    """.split()
)

_STRUCTURE = """
    Const Placeholder Identity IdentityN NoOp StopGradient PreventGradient
"""
_SHAPES = """
    BroadcastGradientArgs BroadcastTo Concat ConcatOffset ConcatV2 ExpandDims Fill InvertPermutation
    OneHot OnesLike Pack Pad PadV2 Range Rank Reshape Shape ShapeN Size Slice Split SplitV Squeeze
    StridedSlice StridedSliceGrad Tile Transpose Unpack ZerosLike
"""
_SELECTION = """
    DynamicStitch Gather GatherNd GatherV2 ScatterNd Select SelectV2 TopKV2 UnsortedSegmentSum Where
"""
_ELEMENTWISE = """
    Abs Add AddN AddV2 Acos Asin Atan Atan2 BiasAdd BiasAddGrad Cast Ceil ClipByValue Cos Cosh
    Cumsum Div DivNoNan Elu EluGrad Equal Erf Erfc Exp Expm1 Floor FloorDiv FloorMod Greater
    GreaterEqual Inv InvGrad IsFinite IsInf IsNan LeakyRelu LeakyReluGrad Less LessEqual Log Log1p
    LogicalAnd LogicalNot LogicalOr Maximum Minimum Mod Mul MulNoNan Neg NotEqual Pow RealDiv
    Reciprocal ReciprocalGrad Relu Relu6 Relu6Grad ReluGrad Rint Round Rsqrt RsqrtGrad Selu SeluGrad
    Sigmoid SigmoidGrad Sign Sin Sinh Softplus SoftplusGrad Softsign SoftsignGrad Sqrt SqrtGrad
    Square SquaredDifference Sub Tan Tanh TanhGrad TruncateDiv TruncateMod Xdivy Xlogy
"""
_REDUCTIONS = """
    All Any Max Mean Min Prod Sum
"""
_ALGEBRA = """
    BatchMatMul BatchMatMulV2 BatchMatMulV3 MatMul MatrixDiag MatrixDiagPart MatrixDiagPartV2
    MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3
"""
_NETWORKS = """
    FusedBatchNormGradV3 FusedBatchNormV3 LogSoftmax Softmax
"""
# Loops over blocks of atoms.
_LOOPS = """
    Enter Exit LoopCond Merge NextIteration Switch TensorListConcatV2 TensorListReserve
    TensorListSetItem
"""

TENSORFLOW_OPS = frozenset(
    (
        _LOOPS
        + _STRUCTURE
        + _SHAPES
        + _SELECTION
        + _ELEMENTWISE
        + _REDUCTIONS
        + _ALGEBRA
        + _NETWORKS
    ).split()
)

ALLOWED_OPS = DEEPMD_OPS | REBUILT_OPS | DEEPATTN_OPS | TENSORFLOW_OPS

# What the functions of a SavedModel have besides: calls of one another, branches and loops.
FUNCTION_OPS = frozenset(
    """
    Assert Case Einsum EnsureShape If LowerBound PartitionedCall RaggedTensorToTensor
    StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile TensorListFromTensor
    TensorListGetItem TensorListLength TensorListStack UpperBound While
    """.split()
)
