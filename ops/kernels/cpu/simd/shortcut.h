// What bypasses a layer of an embedding net: x, or (x, x), is added to rows as wide as it or twice.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SIMD_SHORTCUT_H_
#define DEEPATTN_OPS_KERNELS_CPU_SIMD_SHORTCUT_H_

#include <stdint.h>

namespace {

template <typename T>
inline void AddShortcut(int64_t in, int64_t out, const T* x, T* y) {
  if (out != in && out != 2 * in) return;
  for (int64_t i = 0; i < in; ++i) y[i] += x[i];
  if (out == in) return;
  for (int64_t i = 0; i < in; ++i) y[in + i] += x[i];
}

// The transposed map, for the way back.
template <typename T>
inline void AddShortcutBack(int64_t in, int64_t out, const T* grad_y, T* grad_x) {
  if (out != in && out != 2 * in) return;
  for (int64_t i = 0; i < in; ++i) grad_x[i] += grad_y[i];
  if (out == in) return;
  for (int64_t i = 0; i < in; ++i) grad_x[i] += grad_y[in + i];
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_SIMD_SHORTCUT_H_
