// What belongs to the slots of a neighborhood, as columns over them.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SLOTS_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SLOTS_H_

#include "kernels/cpu/simd/arena.h"

namespace {

// Zero in the padding; scores.h explains the names.
template <typename T>
struct Slots {
  T* weight = nullptr;  // c
  T* alpha = nullptr;
  T* gamma = nullptr;
  T* direction[3] = {};
};

template <typename T>
Slots<T> TakeSlots(int64_t n, Arena<T>* arena) {
  return {
      arena->Row(n), arena->Row(n), arena->Row(n), {arena->Row(n), arena->Row(n), arena->Row(n)}};
}

// Fills the columns of n slots from their weights and directions; without directions (null) they
// are (constant, 0, 0). `alpha` and `gamma` are constant unless the attention is smooth.
template <typename T>
void ReadSlots(int64_t n, const T* weight, const T* direction, bool smooth, T constant,
               const Slots<T>& slot) {
  CopyPadded(n, weight, slot.weight);
  for (int64_t j = 0; j < RoundUp<T>(n); ++j) {
    slot.alpha[j] = j >= n ? T(0) : smooth ? weight[j] : constant;
    slot.gamma[j] = slot.alpha[j];
    for (int64_t x = 0; x < 3; ++x) {
      const T plain = x == 0 ? constant : T(0);
      slot.direction[x][j] = j >= n ? T(0) : direction == nullptr ? plain : direction[3 * j + x];
    }
  }
}

template <typename T>
void ClearSlots(int64_t n, const Slots<T>& slot) {
  T* const columns[] = {slot.weight,       slot.alpha,        slot.gamma,
                        slot.direction[0], slot.direction[1], slot.direction[2]};
  for (T* column : columns) memset(column, 0, RoundUp<T>(n) * sizeof(T));
}

// From sums of gradients over n of the `nnei` slots of a neighborhood those by its weights and
// directions (`angles`; otherwise these have none).
template <typename T>
void WriteSlots(int64_t n, int64_t nnei, const Slots<T>& grad, bool smooth, bool angles,
                T* grad_weight, T* grad_direction) {
  for (int64_t j = 0; j < nnei; ++j) {
    grad_weight[j] = j < n ? grad.weight[j] : T(0);
    if (j < n && smooth) grad_weight[j] += grad.alpha[j] + grad.gamma[j];
    for (int64_t x = 0; x < 3; ++x) {
      grad_direction[3 * j + x] = j < n && angles ? grad.direction[x][j] : T(0);
    }
  }
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SLOTS_H_
