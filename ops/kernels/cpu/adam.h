// A step of Adam (Kingma and Ba, arXiv:1412.6980) on all weights at once.
//
// Every operation rounds by itself, in the order of the formulas, as the same step of single
// operations does:
//
//   w <- w - decay · w                        unless decay is 0
//   g <- g + l2 · w                           unless l2 is 0
//   m <- m + (g - m) · (1 - beta_1)
//   v <- v + (g · g - v) · (1 - beta_2)
//   w <- w - m · rate / (sqrt(v / left) + epsilon)
#ifndef DEEPATTN_OPS_KERNELS_CPU_ADAM_H_
#define DEEPATTN_OPS_KERNELS_CPU_ADAM_H_

#include "kernels/common/runtime.h"

namespace deepattn {

// One weight; each number is read from the first place and written to the second, which may be the
// same.
template <typename T>
struct AdamTensor {
  int64_t size;
  const T* grad;
  const T* weight;
  const T* first;   // m
  const T* second;  // v
  T* new_weight;
  T* new_first;
  T* new_second;
};

template <typename T>
struct AdamStep {
  T rate;
  T left_of_beta_1;  // 1 - beta_1
  T left_of_beta_2;
  T left;
  T epsilon;
  T decay;
  T l2;
  int64_t ntensors;
  const AdamTensor<T>* tensors;
};

}  // namespace deepattn

extern "C" {

void deepattn_adam_f32(const deepattn::AdamStep<float>* step, const deepattn_threads* threads,
                       deepattn_status* status);
void deepattn_adam_f64(const deepattn::AdamStep<double>* step, const deepattn_threads* threads,
                       deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_ADAM_H_
