// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

template <typename T>
constexpr deepattn::EmbeddingKernels<T> kKernels = {
    PackedLayersSize<T>,
    PackLayersOf<T>,
    LayerColumnsSize<T>,
    {ForwardPass<Block<T>>, BackwardPass<Block<T>>, DoubleBackwardPass<Block<T>>},
    LayerSumsSize<T>,
    WriteLayerSums<T>,
};

}  // namespace

namespace deepattn {

const EmbeddingTable DEEPATTN_TABLE(kEmbedding) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
