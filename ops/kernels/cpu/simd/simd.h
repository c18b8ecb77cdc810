// Vectors of DEEPATTN_VECTOR_BYTES, as GCC and Clang know them on every architecture.
//
// This folder's headers are compiled once for each instruction set. Everything is in an unnamed
// namespace and nothing of the C++ library is used: an inline function shared with other files
// could otherwise end up there in code that the processor does not have.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SIMD_SIMD_H_
#define DEEPATTN_OPS_KERNELS_CPU_SIMD_SIMD_H_

#include <stdint.h>
#include <string.h>

#include "instruction_set.h"

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

// Interleaves the lower or the upper halves of two vectors.
template <typename T, bool upper>
inline Vec<T> Interleave(Vec<T> a, Vec<T> b) {
#if defined(__clang__)
  Vec<T> out;
  for (int64_t i = 0; i < kLanes<T>; ++i) {
    out[i] = (i % 2 == 0 ? a : b)[i / 2 + (upper ? kLanes<T> / 2 : 0)];
  }
  return out;
#else
  typename SimdTypes<T>::Index order = {};
  for (int64_t i = 0; i < kLanes<T>; ++i) {
    order[i] = i / 2 + (i % 2) * kLanes<T> + (upper ? kLanes<T> / 2 : 0);
  }
  return __builtin_shuffle(a, b, order);
#endif
}

struct Plus {
  template <typename V>
  V operator()(V a, V b) const {
    return a + b;
  }
};

struct Larger {
  template <typename V>
  V operator()(V a, V b) const {
    return b > a ? b : a;
  }
};

// Joins groups of `size` numbers, which lie one after the other, into the first of them; half of
// the groups with the other half, and so on.
template <typename T, int64_t size, typename Join, int64_t half = kLanes<T> / 2>
inline Vec<T> Fold(Vec<T> v, const Join& join) {
  if constexpr (half < size) {
    return v;
  } else {
    Vec<T> other = v;
#if defined(__clang__)
    for (int64_t i = 0; i < half; ++i) other[i] = v[i + half];
#else
    typename SimdTypes<T>::Index order = {};
    for (int64_t i = 0; i < kLanes<T>; ++i) order[i] = (i + half) % kLanes<T>;
    other = __builtin_shuffle(v, order);
#endif
    return Fold<T, size, Join, half / 2>(join(v, other), join);
  }
}

template <typename T>
inline T Sum(Vec<T> v) {
  return Fold<T, 1>(v, Plus())[0];
}

template <typename T>
inline T Max(Vec<T> v) {
  return Fold<T, 1>(v, Larger())[0];
}

// The sums of four vectors, each as Sum has it, in half the instructions.
template <typename T>
inline void SumFour(const Vec<T>* v, T* sum) {
  if constexpr (kLanes<T> < 4) {
    for (int k = 0; k < 4; ++k) sum[k] = Sum<T>(v[k]);
  } else {
    const Vec<T> pairs[2] = {Interleave<T, false>(v[0], v[2]) + Interleave<T, true>(v[0], v[2]),
                             Interleave<T, false>(v[1], v[3]) + Interleave<T, true>(v[1], v[3])};
    const Vec<T> all =
        Interleave<T, false>(pairs[0], pairs[1]) + Interleave<T, true>(pairs[0], pairs[1]);
    const Vec<T> sums = Fold<T, 4>(all, Plus());
    memcpy(sum, &sums, 4 * sizeof(T));
  }
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

// x = n·ln(2) + rest: the rest, (exp(rest) - 1) / rest by its Taylor series, and n in the last bits
// of x·log2(e) + magic.
template <typename T>
struct ReducedExp {
  using C = ExpConstants<T>;
  using Bits = typename SimdTypes<T>::Bits;

  Vec<T> rest;
  Vec<T> series;
  Bits exponent;  // n, where a number has its exponent

  explicit ReducedExp(Vec<T> x) {
    const Vec<T> shifted = x * C::kLog2e + C::kMagic;
    const Vec<T> n = shifted - C::kMagic;
    rest = (x - n * C::kLn2High) - n * C::kLn2Low;
    T inverse_factorial[C::kDegree + 1] = {1};
    for (int i = 1; i <= C::kDegree; ++i) inverse_factorial[i] = inverse_factorial[i - 1] / T(i);
    series = rest * inverse_factorial[C::kDegree] + inverse_factorial[C::kDegree - 1];
    for (int i = C::kDegree - 2; i >= 1; --i) series = series * rest + inverse_factorial[i];
    exponent = reinterpret_cast<Bits>(shifted) << C::kMantissa;
  }

  // 2^n times a number.
  Vec<T> Scale(Vec<T> y) const {
    return reinterpret_cast<Vec<T>>(reinterpret_cast<Bits>(y) + exponent);
  }
};

// exp(x) for x <= 0, 0 where it would be denormal.
template <typename T>
inline Vec<T> Exp(Vec<T> x) {
  const ReducedExp<T> reduced(x);
  const Vec<T> y = reduced.Scale(reduced.series * reduced.rest + T(1));
  return x < ExpConstants<T>::kLowest ? Vec<T>{} : y;
}

// exp(x) - 1 for x <= 0, accurate also near 0: 2^n (exp(rest) - 1) + (2^n - 1).
template <typename T>
inline Vec<T> ExpMinusOne(Vec<T> x) {
  const ReducedExp<T> reduced(x);
  const Vec<T> one = Vec<T>{} + T(1);
  const Vec<T> power = reduced.Scale(one);
  const Vec<T> y = power * (reduced.series * reduced.rest) + (power - one);
  return x < ExpConstants<T>::kLowest ? -one : y;
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

#endif  // DEEPATTN_OPS_KERNELS_CPU_SIMD_SIMD_H_
