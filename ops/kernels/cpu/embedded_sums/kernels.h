// What each instruction set offers to the driver, `embedded_sums.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_SUMS_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_SUMS_KERNELS_H_

#include "kernels/common/embedded_sums.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/three_passes.h"

namespace deepattn {

template <typename T>
using PackedEmbeddedSumsCall = PackedCall<EmbeddedSumsCall<T>, T>;

template <typename T>
using EmbeddedSumsKernels =
    ThreePassKernels<T, deepattn_embedded_sums_shape, EmbeddedSumsCall<T>, EmbeddingParameters<T>>;

using EmbeddedSumsTable = KernelTable<EmbeddedSumsKernels>;

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_SUMS_KERNELS_H_
