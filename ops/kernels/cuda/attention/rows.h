// Row by row, with all lanes of it: lengths of one, and layer normalization, each with two
// derivatives. The formulas are those of the CPU's kernel.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_ROWS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_ROWS_H_

#include <math.h>

#include "kernels/common/attention.h"
#include "kernels/cuda/rows.h"

namespace deepattn {

// How a row z became the unit row q = inverse · z; `free` is 1, or 0 where the floor under |z|²
// holds `inverse` fixed.
template <typename T>
struct Unit {
  T inverse;
  T free;
};

// z = q after it.
template <typename T>
DEEPATTN_DEVICE Unit<T> MakeUnit(const Lanes& lanes, int n, const T* bias, T* z) {
  const T length2 = lanes.Sum<T>(n, [&](int i) {
    const T shifted = z[i] + bias[i];
    z[i] = shifted;
    return shifted * shifted;
  });
  const bool free = length2 >= T(kNormFloor);
  const T inverse = T(1) / sqrt(free ? length2 : T(kNormFloor));
  lanes.Each(n, [&](int i) { z[i] *= inverse; });
  return {inverse, T(free)};
}

// From the tangent of z that of q, in place; returns inverse times the part of the former along q,
// if free.
template <typename T>
DEEPATTN_DEVICE T UnitTangent(const Lanes& lanes, int n, const T* q, const Unit<T>& unit,
                              T* tangent) {
  const T slide =
      unit.free * unit.inverse * lanes.Sum<T>(n, [&](int i) { return q[i] * tangent[i]; });
  lanes.Each(n, [&](int i) { tangent[i] = unit.inverse * tangent[i] - slide * q[i]; });
  return slide;
}

// From the gradient by q that by z, in place.
template <typename T>
DEEPATTN_DEVICE void UnitBackward(const Lanes& lanes, int n, const T* q, const Unit<T>& unit,
                                  T* grad) {
  const T along = unit.free * lanes.Sum<T>(n, [&](int i) { return q[i] * grad[i]; });
  lanes.Each(n, [&](int i) { grad[i] = unit.inverse * (grad[i] - along * q[i]); });
}

// From the gradients by q (`outer_grad`) and by its tangent (`grad`) those by z and its tangent;
// `slide` is the result of `UnitTangent`.
template <typename T>
DEEPATTN_DEVICE void UnitReverse(const Lanes& lanes, int n, const T* q, const T* tangent,
                                 const Unit<T>& unit, T slide, T* outer_grad, T* grad) {
  const auto sums = lanes.Sums<T, 2>(n, [&](int i, Numbers<T, 2>* sum) {
    (*sum)[0] += grad[i] * q[i];
    (*sum)[1] += outer_grad[i] * q[i] + grad[i] * tangent[i];
  });
  const T along = unit.free * sums[0];
  const T outer_grad_along = unit.free * sums[1] - along * slide;
  lanes.Each(n, [&](int i) {
    outer_grad[i] = unit.inverse * (outer_grad[i] - along * tangent[i] - slide * grad[i] -
                                    outer_grad_along * q[i]);
    grad[i] = unit.inverse * (grad[i] - along * q[i]);
  });
}

// x becomes (x − mean) / sqrt(variance + eps); the returned factor is the latter's inverse.
template <typename T>
DEEPATTN_DEVICE T Normalize(const Lanes& lanes, int n, T eps, T* x) {
  const T mean = lanes.Sum<T>(n, [&](int i) { return x[i]; }) / T(n);
  const T square = lanes.Sum<T>(n, [&](int i) {
    const T centered = x[i] - mean;
    x[i] = centered;
    return centered * centered;
  });
  const T inverse = T(1) / sqrt(square / T(n) + eps);
  lanes.Each(n, [&](int i) { x[i] *= inverse; });
  return inverse;
}

// The gradient by the normalized row, in place that by the row itself; `x` is the normalized row.
template <typename T>
DEEPATTN_DEVICE void NormalizeBackward(const Lanes& lanes, int n, const T* x, T inverse, T* grad) {
  const auto sums = lanes.Sums<T, 2>(n, [&](int i, Numbers<T, 2>* sum) {
    (*sum)[0] += grad[i];
    (*sum)[1] += grad[i] * x[i];
  });
  const T mean = sums[0] / T(n), along = sums[1] / T(n);
  lanes.Each(n, [&](int i) { grad[i] = inverse * (grad[i] - mean - along * x[i]); });
}

// In: the gradient by the normalized row, and the row's tangent. Out, in the same places: the
// gradient by the row's tangent, which is `NormalizeBackward`, and the tangent of the normalized
// row. To `outer_grad` is added the gradient by the row of the scalar product of the two inputs,
// the second of them normalized.
template <typename T>
DEEPATTN_DEVICE void NormalizeReverse(const Lanes& lanes, int n, const T* x, T inverse, T* grad,
                                      T* tangent, T* outer_grad) {
  const auto sums = lanes.Sums<T, 4>(n, [&](int i, Numbers<T, 4>* sum) {
    (*sum)[0] += grad[i];
    (*sum)[1] += tangent[i];
    (*sum)[2] += grad[i] * x[i];
    (*sum)[3] += tangent[i] * x[i];
  });
  const T mean_g = sums[0] / T(n), mean_t = sums[1] / T(n);
  const T along_g = sums[2] / T(n), along_t = sums[3] / T(n);
  const T product =
      lanes.Sum<T>(n, [&](int i) { return (grad[i] - mean_g) * (tangent[i] - mean_t); });
  const T both = product / T(n) - T(3) * along_g * along_t;
  lanes.Each(n, [&](int i) {
    const T g = grad[i] - mean_g, t = tangent[i] - mean_t;
    outer_grad[i] -= inverse * inverse * (along_g * t + along_t * g + both * x[i]);
    grad[i] = inverse * (g - along_g * x[i]);
    tangent[i] = inverse * (t - along_t * x[i]);
  });
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_ROWS_H_
