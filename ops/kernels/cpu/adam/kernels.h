// What each instruction set offers to the driver, `adam.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ADAM_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_ADAM_KERNELS_H_

#include "kernels/cpu/adam.h"
#include "kernels/cpu/instruction_set.h"

namespace deepattn {

template <typename T>
struct AdamKernels {
  // Moves the numbers from `begin` to `end` of a tensor.
  void (*move)(const AdamStep<T>* step, const AdamTensor<T>* tensor, int64_t begin, int64_t end);
};

using AdamTable = KernelTable<AdamKernels>;

extern const AdamTable kAdamGeneric;
#if defined(__x86_64__)
extern const AdamTable kAdamAvx2;
extern const AdamTable kAdamAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_ADAM_KERNELS_H_
