// Row by row: lengths of one, and layer normalization, each with two derivatives.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_ROWS_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_ROWS_H_

#include "kernels/common/attention.h"
#include "kernels/cpu/simd/simd.h"

namespace {

using deepattn::kNormFloor;

inline float SquareRoot(float x) { return __builtin_sqrtf(x); }
inline double SquareRoot(double x) { return __builtin_sqrt(x); }

template <typename T>
inline T Dot(int64_t n, const T* a, const T* b) {
  Vec<T> sum = {};
  for (int64_t i = 0; i < n; i += kLanes<T>) sum += At(a + i) * At(b + i);
  return Sum<T>(sum);
}

template <typename T>
inline void AddTo(int64_t n, const T* x, T* sum) {
  for (int64_t i = 0; i < n; i += kLanes<T>) At(sum + i) += At(x + i);
}

// How a row z became the unit row q = inverse · z.
template <typename T>
struct Unit {
  T inverse;
  T free;  // 1, or 0 where the floor under |z|² holds `inverse` fixed
};

// z = q after it.
template <typename T>
inline void MakeUnit(int64_t n, const T* bias, T* z, Unit<T>* unit) {
  Vec<T> square = {};
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    const Vec<T> shifted = At(z + i) + At(bias + i);
    At(z + i) = shifted;
    square += shifted * shifted;
  }
  const T length2 = Sum<T>(square);
  unit->free = length2 >= T(kNormFloor) ? T(1) : T(0);
  unit->inverse = T(1) / SquareRoot(unit->free != 0 ? length2 : T(kNormFloor));
  for (int64_t i = 0; i < n; i += kLanes<T>) At(z + i) *= unit->inverse;
}

// From the tangent of z that of q, in place; returns inverse times the part of the former along q,
// if free.
template <typename T>
inline T UnitTangent(int64_t n, const T* q, const Unit<T>& unit, T* tangent) {
  const T slide = unit.free * unit.inverse * Dot(n, q, tangent);
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    At(tangent + i) = unit.inverse * At(tangent + i) - slide * At(q + i);
  }
  return slide;
}

// From the gradient by q that by z, in place.
template <typename T>
inline void UnitBackward(int64_t n, const T* q, const Unit<T>& unit, T* grad) {
  const T along = unit.free * Dot(n, q, grad);
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    At(grad + i) = unit.inverse * (At(grad + i) - along * At(q + i));
  }
}

// From the gradients by q (`outer_grad`) and by its tangent (`grad`) those by z and its tangent;
// `slide` is the result of `UnitTangent`.
template <typename T>
inline void UnitReverse(int64_t n, const T* q, const T* tangent, const Unit<T>& unit, T slide,
                        T* outer_grad, T* grad) {
  Vec<T> grad_q = {}, grad_tangent = {}, outer_grad_q = {};
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    grad_q += At(grad + i) * At(q + i);
    grad_tangent += At(grad + i) * At(tangent + i);
    outer_grad_q += At(outer_grad + i) * At(q + i);
  }
  const T along = unit.free * Sum<T>(grad_q);
  const T outer_grad_along =
      unit.free * (Sum<T>(outer_grad_q) + Sum<T>(grad_tangent)) - along * slide;
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    At(outer_grad + i) = unit.inverse * (At(outer_grad + i) - along * At(tangent + i) -
                                         slide * At(grad + i) - outer_grad_along * At(q + i));
    At(grad + i) = unit.inverse * (At(grad + i) - along * At(q + i));
  }
}

// x becomes (x − mean) / sqrt(variance + eps); the returned factor is the latter's inverse. `live`
// is 1 in the first `width` columns and 0 in the padding.
template <typename T>
inline T Normalize(int64_t n, int64_t width, const T* live, T eps, T* x) {
  Vec<T> sum = {};
  for (int64_t i = 0; i < n; i += kLanes<T>) sum += At(x + i);
  const T mean = Sum<T>(sum) / T(width);
  Vec<T> square = {};
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    const Vec<T> centered = (At(x + i) - mean) * At(live + i);
    At(x + i) = centered;
    square += centered * centered;
  }
  const T inverse = T(1) / SquareRoot(Sum<T>(square) / T(width) + eps);
  for (int64_t i = 0; i < n; i += kLanes<T>) At(x + i) *= inverse;
  return inverse;
}

// The gradient by the normalized row, in place that by the row itself; `x` is the normalized row.
template <typename T>
inline void NormalizeBackward(int64_t n, int64_t width, const T* live, const T* x, T inverse,
                              T* grad) {
  Vec<T> sum = {}, product = {};
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    sum += At(grad + i);
    product += At(grad + i) * At(x + i);
  }
  const T mean = Sum<T>(sum) / T(width);
  const T along = Sum<T>(product) / T(width);
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    At(grad + i) = inverse * (At(grad + i) - mean - along * At(x + i)) * At(live + i);
  }
}

// In: the gradient by the normalized row, and the row's tangent. Out, in the same places: the
// gradient by the row's tangent, which is `NormalizeBackward`; the tangent of the normalized row;
// and in `outer_grad` the gradient by the row of the scalar product of the two inputs, the second
// of them normalized.
template <typename T>
inline void NormalizeReverse(int64_t n, int64_t width, const T* live, const T* x, T inverse,
                             T* grad, T* tangent, T* outer_grad) {
  Vec<T> sum_g = {}, sum_t = {}, dot_g = {}, dot_t = {};
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    sum_g += At(grad + i);
    sum_t += At(tangent + i);
    dot_g += At(grad + i) * At(x + i);
    dot_t += At(tangent + i) * At(x + i);
  }
  const T mean_g = Sum<T>(sum_g) / T(width), mean_t = Sum<T>(sum_t) / T(width);
  const T along_g = Sum<T>(dot_g) / T(width), along_t = Sum<T>(dot_t) / T(width);
  Vec<T> product = {};
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    const Vec<T> g = (At(grad + i) - mean_g) * At(live + i);
    const Vec<T> t = (At(tangent + i) - mean_t) * At(live + i);
    product += g * t;
    At(outer_grad + i) = along_g * t + along_t * g;
    At(grad + i) = inverse * (g - along_g * At(x + i));
    At(tangent + i) = inverse * (t - along_t * At(x + i));
  }
  const T both = Sum<T>(product) / T(width) - T(3) * along_g * along_t;
  for (int64_t i = 0; i < n; i += kLanes<T>) {
    At(outer_grad + i) = -inverse * inverse * (At(outer_grad + i) + both * At(x + i));
  }
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_ROWS_H_
