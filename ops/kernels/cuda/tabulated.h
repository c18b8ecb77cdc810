// The embedding of compressed models, as kernels/cpu/tabulated.h has it, on a device.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_H_

#include "kernels/common/tabulated.h"
#include "runtime.h"

namespace deepattn {

// The grad_grad_x of each input; null for those that there are not.
template <typename T>
struct TabulatedGradGrads {
  const T* rows;     // [natoms][nnei]
  const T* matrix;   // [natoms][nnei][4]
  const T* weight;   // [natoms][nnei]
  const T* factors;  // [natoms][nnei][width]
};

}  // namespace deepattn

extern "C" {

// The call is as on the CPU, with `range` in the host's memory; so is the pass. The double backward
// gives grad_grad_output only, into `output`.
#define DEEPATTN_DECLARE_CUDA_TABULATED(T, suffix)                                               \
  void deepattn_cuda_tabulated_##suffix(const deepattn::TabulatedCall<T>* call, int pass,        \
                                        deepattn_cuda_problem* problem, void* stream,            \
                                        deepattn_status* status);                                \
  void deepattn_cuda_tabulated_double_backward_##suffix(                                         \
      const deepattn::TabulatedCall<T>* call, const deepattn::TabulatedGradGrads<T>* grad_grads, \
      deepattn_cuda_problem* problem, void* stream, deepattn_status* status);

DEEPATTN_DECLARE_CUDA_TABULATED(float, f32)
DEEPATTN_DECLARE_CUDA_TABULATED(double, f64)
#undef DEEPATTN_DECLARE_CUDA_TABULATED

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_H_
