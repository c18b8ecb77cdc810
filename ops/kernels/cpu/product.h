// The product of two matrices. TensorFlow's own are compiled for old processors: in float64 they
// take two to three times as long.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PRODUCT_H_
#define DEEPATTN_OPS_KERNELS_CPU_PRODUCT_H_

#include "kernels/common/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// c [m][n] = a b of a [m][k], or stored [k][m], and b [k][n], or stored [n][k].
typedef struct {
  int64_t m;
  int64_t n;
  int64_t k;
  int32_t transpose_a;
  int32_t transpose_b;
} deepattn_product_shape;

#define DEEPATTN_DECLARE_PRODUCT(T, suffix)                                                   \
  void deepattn_product_##suffix(const deepattn_product_shape* shape, const T* a, const T* b, \
                                 T* c, const deepattn_threads* threads, deepattn_status* status);

DEEPATTN_DECLARE_PRODUCT(float, f32)
DEEPATTN_DECLARE_PRODUCT(double, f64)
#undef DEEPATTN_DECLARE_PRODUCT

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_PRODUCT_H_
