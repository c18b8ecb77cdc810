// The virial, its share of every neighbor and its gradient, as kernels/cpu/virial.h has them, on
// a device.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_VIRIAL_H_
#define DEEPATTN_OPS_KERNELS_CUDA_VIRIAL_H_

#include "kernels/common/pairs.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// Arguments as on the CPU. `problem` may not be null.
#define DEEPATTN_DECLARE_CUDA_VIRIAL(T, suffix)                                                  \
  int64_t deepattn_cuda_virial_workspace_##suffix(const deepattn_pairs* pairs);                  \
  void deepattn_cuda_virial_##suffix(                                                            \
      const deepattn_pairs* pairs, const T* net_deriv, const T* in_deriv, const T* rij,          \
      const int32_t* nlist, T* virial, T* atom_virial, deepattn_cuda_problem* problem,           \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status);          \
  void deepattn_cuda_virial_grad_##suffix(const deepattn_pairs* pairs, const T* grad,            \
                                          const T* in_deriv, const T* rij, const int32_t* nlist, \
                                          T* grad_net, void* stream, deepattn_status* status);

DEEPATTN_DECLARE_CUDA_VIRIAL(float, f32)
DEEPATTN_DECLARE_CUDA_VIRIAL(double, f64)
#undef DEEPATTN_DECLARE_CUDA_VIRIAL

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CUDA_VIRIAL_H_
