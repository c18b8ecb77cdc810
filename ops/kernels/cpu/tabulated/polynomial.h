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

// And with their slopes, extrapolated linearly by `beyond`.
template <typename T, typename Coefficient>
inline void PolynomialAndSlope(const Coefficient& coefficient, T y, T beyond, Vec<T>* value,
                               Vec<T>* slope) {
  Vec<T> v = coefficient(kDegree), s = {};
  for (int degree = kDegree - 1; degree >= 0; --degree) {
    s = s * y + v;
    v = v * y + coefficient(degree);
  }
  *value = v + s * beyond;
  *slope = s;
}

// Coefficients [6][stride] of a row, of the functions from number k on.
template <typename T>
struct RowCoefficients {
  const T* row;
  int64_t stride;
  int64_t k;

  Vec<T> operator()(int degree) const {
    Vec<T> v;
    memcpy(&v, row + degree * stride + k, sizeof(v));
    return v;
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
