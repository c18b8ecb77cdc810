// What each instruction set offers to the driver, `tabulated.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_KERNELS_H_

#include "kernels/common/tabulated.h"
#include "kernels/cpu/instruction_set.h"

namespace deepattn {

template <typename T>
struct TabulatedKernels {
  int64_t (*scratch_size)(const deepattn_tabulated_shape* shape);
  // Does one atom in a pass, kForward or kBackward.
  void (*pass[kBackward + 1])(const TabulatedCall<T>* call, int64_t atom, T* scratch);
};

using TabulatedTable = KernelTable<TabulatedKernels>;

extern const TabulatedTable kTabulatedGeneric;
#if defined(__x86_64__)
extern const TabulatedTable kTabulatedAvx2;
extern const TabulatedTable kTabulatedAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_KERNELS_H_
