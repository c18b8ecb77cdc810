// What each instruction set offers to the driver, `angle_sums.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_KERNELS_H_

#include "kernels/common/angle_sums.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/three_passes.h"

namespace deepattn {

template <typename T>
using PackedAngleSumsCall = PackedCall<AngleSumsCall<T>, T>;

template <typename T>
using AngleSumsKernels =
    ThreePassKernels<T, deepattn_angle_sums_shape, AngleSumsCall<T>, EmbeddingParameters<T>>;

using AngleSumsTable = KernelTable<AngleSumsKernels>;

extern const AngleSumsTable kAngleSumsGeneric;
#if defined(__x86_64__)
extern const AngleSumsTable kAngleSumsAvx2;
extern const AngleSumsTable kAngleSumsAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_KERNELS_H_
