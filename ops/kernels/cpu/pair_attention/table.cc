// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

template <typename T>
constexpr deepattn::PairAttentionKernels<T> kKernels = {
    PackedSize<T>,
    Pack<T>,
    ScratchSize<T>,
    {ForwardPass<Neighborhood<T>>, BackwardPass<Neighborhood<T>>,
     DoubleBackwardPass<Neighborhood<T>>},
    SumsSize<T>,
    WriteSums<T>,
};

}  // namespace

namespace deepattn {

const PairAttentionTable DEEPATTN_TABLE(kPairAttention) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
