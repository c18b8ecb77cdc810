// The invariants of one atom and their derivatives.
#ifndef DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_PASSES_H_

#include "kernels.h"
#include "kernels/cpu/simd/partial.h"

namespace {

using deepattn::InvariantsCall;
using InvariantsShape = deepattn_invariants_shape;

// y += a x, n numbers.
template <typename T>
inline void AddTimes(int64_t n, T a, const T* x, T* y) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    Store<T>(Load(y + i, kLanes<T>) + a * Load(x + i, kLanes<T>), kLanes<T>, y + i);
  }
  for (; i < n; ++i) y[i] += a * x[i];
}

template <typename T>
inline T DotOf(int64_t n, const T* x, const T* y) {
  Vec<T> sum = {};
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    sum += Load(x + i, kLanes<T>) * Load(y + i, kLanes<T>);
  }
  T total = Sum<T>(sum);
  for (; i < n; ++i) total += x[i] * y[i];
  return total;
}

// output += Σ_c x_ca y_cm.
template <typename T>
void AddProducts(const InvariantsShape& shape, const T* x, const T* y, T* output) {
  const int64_t outer = shape.axis_first ? shape.axis : shape.width;
  const int64_t inner = shape.axis_first ? shape.width : shape.axis;
  const T *of_outer = shape.axis_first ? x : y, *of_inner = shape.axis_first ? y : x;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t c = 0; c < shape.columns; ++c) {
      AddTimes(inner, of_outer[c * shape.width + o], of_inner + c * shape.width,
               output + o * inner);
    }
  }
}

template <typename T>
void InvariantsOf(const InvariantsCall<T>* call, int64_t atom) {
  const InvariantsShape& shape = call->shape;
  const int64_t size = shape.columns * shape.width, number = shape.axis * shape.width;
  const T* rows = call->rows + atom * size;
  memset(call->output + atom * number, 0, number * sizeof(T));
  AddProducts(shape, rows, rows, call->output + atom * number);
}

template <typename T>
void TangentOf(const InvariantsCall<T>* call, int64_t atom) {
  const InvariantsShape& shape = call->shape;
  const int64_t size = shape.columns * shape.width, number = shape.axis * shape.width;
  const T *rows = call->rows + atom * size, *tangent = call->tangent + atom * size;
  memset(call->output + atom * number, 0, number * sizeof(T));
  AddProducts(shape, tangent, rows, call->output + atom * number);
  AddProducts(shape, rows, tangent, call->output + atom * number);
}

template <typename T>
void GradientOf(const InvariantsCall<T>* call, int64_t atom) {
  const InvariantsShape& shape = call->shape;
  const int64_t size = shape.columns * shape.width, number = shape.axis * shape.width;
  const int64_t outer = shape.axis_first ? shape.axis : shape.width;
  const int64_t inner = shape.axis_first ? shape.width : shape.axis;
  memset(call->output + atom * size, 0, size * sizeof(T));
  for (int64_t c = 0; c < shape.columns; ++c) {
    const T *row = call->rows + atom * size + c * shape.width, *grad = call->grad + atom * number;
    T* out = call->output + atom * size + c * shape.width;
    for (int64_t o = 0; o < outer; ++o) {
      AddTimes(inner, row[o], grad + o * inner, out);
      out[o] += DotOf(inner, grad + o * inner, row);
    }
  }
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_PASSES_H_
