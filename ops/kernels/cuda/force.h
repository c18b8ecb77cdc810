// Forces and their gradient, as kernels/cpu/force.h has them, on a device.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_FORCE_H_
#define DEEPATTN_OPS_KERNELS_CUDA_FORCE_H_

#include "kernels/common/pairs.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// Arguments as on the CPU. `problem` may not be null.
#define DEEPATTN_DECLARE_CUDA_FORCE(T, suffix)                                                  \
  int64_t deepattn_cuda_force_workspace_##suffix(const deepattn_pairs* pairs);                  \
  void deepattn_cuda_force_##suffix(                                                            \
      const deepattn_pairs* pairs, const T* net_deriv, const T* in_deriv, const int32_t* nlist, \
      T* force, deepattn_cuda_problem* problem, void* workspace, int64_t workspace_bytes,       \
      void* stream, deepattn_status* status);                                                   \
  void deepattn_cuda_force_grad_##suffix(                                                       \
      const deepattn_pairs* pairs, const T* grad, const T* in_deriv, const int32_t* nlist,      \
      T* grad_net, deepattn_cuda_problem* problem, void* stream, deepattn_status* status);

DEEPATTN_DECLARE_CUDA_FORCE(float, f32)
DEEPATTN_DECLARE_CUDA_FORCE(double, f64)
#undef DEEPATTN_DECLARE_CUDA_FORCE

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CUDA_FORCE_H_
