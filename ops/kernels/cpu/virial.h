// The virial Σ r ⊗ f and its share of every neighbor.
#ifndef DEEPATTN_OPS_KERNELS_CPU_VIRIAL_H_
#define DEEPATTN_OPS_KERNELS_CPU_VIRIAL_H_

#include "kernels/common/pairs.h"
#include "kernels/common/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// virial: net_deriv [nframes][nloc][nnei][4], in_deriv […][4][3], rij […][3]
//   -> virial [nframes][3][3], atom_virial [nframes][nall][3][3].
// virial_grad: grad of virial [nframes][3][3] -> grad_net [nframes][nloc][nnei][4].
#define DEEPATTN_DECLARE_VIRIAL(T, suffix)                                                        \
  void deepattn_virial_##suffix(const deepattn_pairs* pairs, const T* net_deriv,                  \
                                const T* in_deriv, const T* rij, const int32_t* nlist, T* virial, \
                                T* atom_virial, const deepattn_threads* threads,                  \
                                deepattn_status* status);                                         \
  void deepattn_virial_grad_##suffix(const deepattn_pairs* pairs, const T* grad,                  \
                                     const T* in_deriv, const T* rij, const int32_t* nlist,       \
                                     T* grad_net, const deepattn_threads* threads,                \
                                     deepattn_status* status);

DEEPATTN_DECLARE_VIRIAL(float, f32)
DEEPATTN_DECLARE_VIRIAL(double, f64)
#undef DEEPATTN_DECLARE_VIRIAL

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_VIRIAL_H_
