// What each instruction set offers to the driver, `invariants.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_KERNELS_H_

#include "kernels/common/invariants.h"
#include "kernels/cpu/instruction_set.h"

namespace deepattn {

template <typename T>
struct InvariantsKernels {
  void (*pass[kInvariantsPasses])(const InvariantsCall<T>* call, int64_t atom);
};

using InvariantsTable = KernelTable<InvariantsKernels>;

extern const InvariantsTable kInvariantsGeneric;
#if defined(__x86_64__)
extern const InvariantsTable kInvariantsAvx2;
extern const InvariantsTable kInvariantsAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_KERNELS_H_
