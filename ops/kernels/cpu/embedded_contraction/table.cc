// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

template <typename T>
constexpr deepattn::EmbeddedSumsKernels<T> kKernels = {
    PackedSize<T>,  Pack<T>,
    ScratchSize<T>, {ForwardPass<Atoms<T>>, BackwardPass<Atoms<T>>, DoubleBackwardPass<Atoms<T>>},
    SumsSize<T>,    WriteSums<T>,
};

}  // namespace

namespace deepattn {

const EmbeddedSumsTable DEEPATTN_TABLE(kEmbeddedContraction) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
