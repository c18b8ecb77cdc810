// Vectors of DEEPATTN_VECTOR_BYTES, as GCC and Clang know them on every architecture.
//
// This folder's headers are compiled once for each instruction set. Everything is in an unnamed
// namespace and nothing of the C++ library is used: an inline function shared with other files
// could otherwise end up there in code that the processor does not have.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SIMD_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SIMD_H_

#include <stdint.h>
#include <string.h>

namespace {

template <typename T>
struct SimdTypes;

template <>
struct SimdTypes<float> {
  typedef float Vec __attribute__((vector_size(DEEPATTN_VECTOR_BYTES)));
  typedef int32_t Index __attribute__((vector_size(DEEPATTN_VECTOR_BYTES)));
  typedef uint32_t Bits __attribute__((vector_size(DEEPATTN_VECTOR_BYTES)));
};

template <>
struct SimdTypes<double> {
  typedef double Vec __attribute__((vector_size(DEEPATTN_VECTOR_BYTES)));
  typedef int64_t Index __attribute__((vector_size(DEEPATTN_VECTOR_BYTES)));
  typedef uint64_t Bits __attribute__((vector_size(DEEPATTN_VECTOR_BYTES)));
};

template <typename T>
using Vec = typename SimdTypes<T>::Vec;

template <typename T>
constexpr int64_t kLanes = DEEPATTN_VECTOR_BYTES / sizeof(T);

constexpr int64_t kLineBytes = 64;

template <typename T>
inline int64_t RoundUp(int64_t n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// Distance of the rows of a matrix with n columns: whole cache lines, an odd number of them, so
// that the elements of a column do not compete for the same places in the cache.
template <typename T>
inline int64_t Stride(int64_t n) {
  constexpr int64_t line = kLineBytes / sizeof(T);
  return ((n + line - 1) / line | 1) * line;
}

// Aligned: all scratch memory is, and rows start at multiples of a cache line.
template <typename T>
inline Vec<T>& At(T* x) {
  return *reinterpret_cast<Vec<T>*>(x);
}
template <typename T>
inline const Vec<T>& At(const T* x) {
  return *reinterpret_cast<const Vec<T>*>(x);
}

template <typename T>
inline T Sum(Vec<T> v) {
  T x[kLanes<T>];
  memcpy(x, &v, sizeof(x));
  for (int64_t h = kLanes<T> / 2; h > 0; h /= 2) {
    for (int64_t i = 0; i < h; ++i) x[i] += x[i + h];
  }
  return x[0];
}

template <typename T>
inline T Max(Vec<T> v) {
  T x[kLanes<T>];
  memcpy(x, &v, sizeof(x));
  T max = x[0];
  for (int64_t i = 1; i < kLanes<T>; ++i) max = x[i] > max ? x[i] : max;
  return max;
}

template <typename T>
struct ExpConstants;

template <>
struct ExpConstants<double> {
  static constexpr double kLowest = -708, kMagic = 0x1.8p52, kLog2e = 0x1.71547652b82fep0;
  static constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr int kMantissa = 52, kDegree = 13;
};

template <>
struct ExpConstants<float> {
  static constexpr float kLowest = -87, kMagic = 0x1.8p23f, kLog2e = 0x1.715476p0f;
  static constexpr float kLn2High = 0x1.63p-1f, kLn2Low = -0x1.bd0106p-13f;
  static constexpr int kMantissa = 23, kDegree = 7;
};

// exp(x) for x <= 0, 0 where it would be denormal: 2^n times the Taylor series of the rest, with n
// read off the last bits of x·log2(e) + magic.
template <typename T>
inline Vec<T> Exp(Vec<T> x) {
  using C = ExpConstants<T>;
  using Bits = typename SimdTypes<T>::Bits;
  const Vec<T> shifted = x * C::kLog2e + C::kMagic;
  const Vec<T> n = shifted - C::kMagic;
  const Vec<T> r = (x - n * C::kLn2High) - n * C::kLn2Low;
  T inverse_factorial[C::kDegree + 1] = {1};
  for (int i = 1; i <= C::kDegree; ++i) inverse_factorial[i] = inverse_factorial[i - 1] / T(i);
  Vec<T> p = r * inverse_factorial[C::kDegree] + inverse_factorial[C::kDegree - 1];
  for (int i = C::kDegree - 2; i >= 0; --i) p = p * r + inverse_factorial[i];
  const Bits scaled = reinterpret_cast<Bits>(p) + (reinterpret_cast<Bits>(shifted) << C::kMantissa);
  return x < C::kLowest ? Vec<T>{} : reinterpret_cast<Vec<T>>(scaled);
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SIMD_H_
