// Vectors at any place, and the last ones of rows that are not whole vectors.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SIMD_PARTIAL_H_
#define DEEPATTN_OPS_KERNELS_CPU_SIMD_PARTIAL_H_

#include "simd.h"

namespace {

// Of fewer than a vector's numbers the others are 0.
template <typename T>
inline Vec<T> Load(const T* from, int64_t n) {
  Vec<T> v = {};
  if (n >= kLanes<T>) {
    memcpy(&v, from, sizeof(v));
  } else {
    for (int64_t i = 0; i < n; ++i) v[i] = from[i];
  }
  return v;
}

// At most a vector's numbers, those that n counts.
template <typename T>
inline void Store(Vec<T> v, int64_t n, T* to) {
  if (n >= kLanes<T>) {
    memcpy(to, &v, sizeof(v));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = v[i];
  }
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_SIMD_PARTIAL_H_
