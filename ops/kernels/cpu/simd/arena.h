// Scratch memory: what lies where in one block, and rows copied in and out of it.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SIMD_ARENA_H_
#define DEEPATTN_OPS_KERNELS_CPU_SIMD_ARENA_H_

#include "gemm.h"

namespace {

// Hands out aligned arena of one block; of none, to find how large the block must be.
template <typename T>
class Arena {
 public:
  explicit Arena(T* block) : block_(block) {}

  T* Row(int64_t n) {
    constexpr int64_t line = kLineBytes / sizeof(T);
    T* piece = block_ == nullptr ? nullptr : block_ + used_;
    used_ += (n + line - 1) / line * line;
    return piece;
  }

  Matrix<T> Rows(int64_t m, int64_t n) {
    const int64_t stride = Stride<T>(n);
    return {Row(m * stride), stride};
  }

  int64_t used() const { return used_; }

 private:
  T* block_;
  int64_t used_ = 0;
};

// How many numbers a layout takes that is made of those arguments and an arena.
template <typename Layout, typename T, typename... Arguments>
int64_t SizeOf(const Arguments&... arguments) {
  Arena<T> arena(nullptr);
  Layout(arguments..., &arena);
  return arena.used();
}

template <typename T>
inline void Copy(int64_t n, const T* from, T* to) {
  memcpy(to, from, n * sizeof(T));
}

// Copies a row and clears the padding behind it.
template <typename T>
inline void CopyPadded(int64_t n, const T* from, T* to) {
  memcpy(to, from, n * sizeof(T));
  memset(to + n, 0, (RoundUp<T>(n) - n) * sizeof(T));
}

// Adds up rows `from` of `number` blocks of sums into `to`.
template <typename T>
void AddUp(int64_t n, const T* from, int64_t number, int64_t distance, T* to) {
  memset(to, 0, n * sizeof(T));
  for (int64_t k = 0; k < number; ++k) {
    for (int64_t i = 0; i < n; ++i) to[i] += from[k * distance + i];
  }
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_SIMD_ARENA_H_
