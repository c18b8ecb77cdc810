// Forces from the derivative of the energy with respect to the environment matrix.
#ifndef DEEPATTN_OPS_KERNELS_CPU_FORCE_H_
#define DEEPATTN_OPS_KERNELS_CPU_FORCE_H_

#include "kernels/common/pairs.h"
#include "kernels/common/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// force: net_deriv [nframes][nloc][nnei][4], in_deriv […][4][3] -> force [nframes][nall][3].
// force_grad: the transpose, grad [nframes][pairs->nall][3] -> grad_net [nframes][nloc][nnei][4].
#define DEEPATTN_DECLARE_FORCE(T, suffix)                                                          \
  void deepattn_force_##suffix(const deepattn_pairs* pairs, const T* net_deriv, const T* in_deriv, \
                               const int32_t* nlist, T* force, const deepattn_threads* threads,    \
                               deepattn_status* status);                                           \
  void deepattn_force_grad_##suffix(const deepattn_pairs* pairs, const T* grad, const T* in_deriv, \
                                    const int32_t* nlist, T* grad_net,                             \
                                    const deepattn_threads* threads, deepattn_status* status);

DEEPATTN_DECLARE_FORCE(float, f32)
DEEPATTN_DECLARE_FORCE(double, f64)
#undef DEEPATTN_DECLARE_FORCE

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_FORCE_H_
