// The hyperbolic tangent of vectors.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_TANH_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_TANH_H_

#include "kernels/cpu/attention/simd.h"

namespace {

// exp(x) - 1 for x <= 0, accurate also near 0: with exp(x) = 2^n exp(r), r small, it is
// 2^n (exp(r) - 1) + (2^n - 1).
template <typename T>
inline Vec<T> ExpMinusOne(Vec<T> x) {
  using C = ExpConstants<T>;
  using Bits = typename SimdTypes<T>::Bits;
  const Vec<T> shifted = x * C::kLog2e + C::kMagic;
  const Vec<T> n = shifted - C::kMagic;
  const Vec<T> r = (x - n * C::kLn2High) - n * C::kLn2Low;
  T inverse_factorial[C::kDegree + 1] = {1};
  for (int i = 1; i <= C::kDegree; ++i) inverse_factorial[i] = inverse_factorial[i - 1] / T(i);
  Vec<T> p = r * inverse_factorial[C::kDegree] + inverse_factorial[C::kDegree - 1];
  for (int i = C::kDegree - 2; i >= 1; --i) p = p * r + inverse_factorial[i];
  const Vec<T> one = Vec<T>{} + T(1);
  const Bits bits = reinterpret_cast<Bits>(one) + (reinterpret_cast<Bits>(shifted) << C::kMantissa);
  const Vec<T> power = reinterpret_cast<Vec<T>>(bits);
  return x < C::kLowest ? -one : power * (p * r) + (power - one);
}

template <typename T>
inline Vec<T> Tanh(Vec<T> x) {
  const Vec<T> size = x < T(0) ? -x : x;
  const Vec<T> e = ExpMinusOne<T>(T(-2) * size);
  const Vec<T> result = -e / (e + T(2));
  // Not a number stays what it is: all comparisons with it are false.
  return x < T(0) ? -result : result;
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_TANH_H_
