// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

template <typename T>
constexpr deepattn::InvariantsKernels<T> kKernels = {
    {InvariantsOf<T>, TangentOf<T>, GradientOf<T>},
};

}  // namespace

namespace deepattn {

const InvariantsTable DEEPATTN_TABLE(kInvariants) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
