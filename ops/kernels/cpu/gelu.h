// GELU in its tanh form (arXiv:1606.08415), with the constants in the tensor's own precision.
#ifndef DEEPATTN_OPS_KERNELS_CPU_GELU_H_
#define DEEPATTN_OPS_KERNELS_CPU_GELU_H_

#include "kernels/common/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// Elementwise over `size`: g(x); dy · g'(x); dy · dy2 · g''(x).
#define DEEPATTN_DECLARE_GELU(T, suffix)                                                           \
  void deepattn_gelu_##suffix(int64_t size, const T* x, T* y, const deepattn_threads* threads,     \
                              deepattn_status* status);                                            \
  void deepattn_gelu_grad_##suffix(int64_t size, const T* dy, const T* x, T* y,                    \
                                   const deepattn_threads* threads, deepattn_status* status);      \
  void deepattn_gelu_grad_grad_##suffix(int64_t size, const T* dy, const T* dy2, const T* x, T* y, \
                                        const deepattn_threads* threads, deepattn_status* status);

DEEPATTN_DECLARE_GELU(float, f32)
DEEPATTN_DECLARE_GELU(double, f64)
#undef DEEPATTN_DECLARE_GELU

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_GELU_H_
