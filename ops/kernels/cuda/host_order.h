// The order in which the host runs what a device runs at once; tests compare all of them.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_HOST_ORDER_H_
#define DEEPATTN_OPS_KERNELS_CUDA_HOST_ORDER_H_

#include <stdint.h>

#include <numeric>

namespace deepattn {
namespace host {

enum Order { kForwards, kBackwards, kShuffled };

inline int order = kForwards;

template <typename F>
void ForEach(int64_t n, const F& f) {
  if (order == kForwards) {
    for (int64_t item = 0; item < n; ++item) f(item);
  } else if (order == kBackwards) {
    for (int64_t item = n; item-- > 0;) f(item);
  } else {
    int64_t stride = n * 5 / 8 + 1;  // that shares no divisor with n, so every item has its turn
    while (std::gcd(stride, n) > 1) ++stride;
    for (int64_t turn = 0; turn < n; ++turn) f((turn * stride + n / 2) % n);
  }
}

}  // namespace host
}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_HOST_ORDER_H_
