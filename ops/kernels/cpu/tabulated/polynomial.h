// The polynomials of a table at one number, several functions at a time.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POLYNOMIAL_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POLYNOMIAL_H_

#include "kernels/cpu/simd/simd.h"

namespace {

constexpr int kDegree = 5;

// `coefficient(degree)` gives a vector. The polynomials at y:
template <typename T, typename Coefficient>
inline Vec<T> Polynomial(const Coefficient& coefficient, T y) {
  Vec<T> value = coefficient(kDegree);
  for (int degree = kDegree - 1; degree >= 0; --degree) value = value * y + coefficient(degree);
  return value;
}

// And with their slopes, extrapolated linearly by `beyond` unless that is known to be 0.
template <typename T, bool extrapolate = true, typename Coefficient>
inline void PolynomialAndSlope(const Coefficient& coefficient, T y, T beyond, Vec<T>* value,
                               Vec<T>* slope) {
  Vec<T> v = coefficient(kDegree), s = {};
  for (int degree = kDegree - 1; degree >= 0; --degree) {
    s = s * y + v;
    v = v * y + coefficient(degree);
  }
  *value = extrapolate ? v + s * beyond : v;
  *slope = s;
}

// Coefficients [6][stride] of a row, of the functions from number k on. Of the six places three are
// at most two strides from either pointer, which processors compute as they load.
template <typename T>
struct RowCoefficients {
  const T* low;
  const T* high;
  int64_t stride;

  RowCoefficients(const T* row, int64_t stride, int64_t k)
      : low(row + k), high(row + 3 * stride + k), stride(stride) {}

  // Of the vector `number` vectors further on.
  Vec<T> operator()(int degree, int64_t number = 0) const {
    Vec<T> v;
    const T* from = degree < 3 ? low + degree * stride : high + (degree - 3) * stride;
    memcpy(&v, from + number * kLanes<T>, sizeof(v));
    return v;
  }

  void Advance() {
    low += kLanes<T>;
    high += kLanes<T>;
  }
};

// Coefficients [width][6], as DeePMD-kit has them; of the vector only the first n numbers.
template <typename T>
struct StockCoefficients {
  const T* row;
  int64_t n;
  int64_t k;

  Vec<T> operator()(int degree) const {
    Vec<T> v = {};
    for (int64_t i = 0; i < n; ++i) v[i] = row[(k + i) * (kDegree + 1) + degree];
    return v;
  }
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POLYNOMIAL_H_
