// Distances of descriptors from those of other atoms.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DISTANCE_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DISTANCE_H_

#include "net.h"

namespace {

using deepattn::DistanceBasis;

template <typename T>
int64_t PackedBasisSize(int64_t input, int64_t axis, int64_t ncomponents) {
  return Panels(ncomponents, kPanel<T>) * kPanel<T> * Triangle::Of(input, axis).Size();
}

template <typename T>
void PackBasis(const DistanceBasis<T>* basis, int64_t input, int64_t axis, T* packed) {
  const Triangle triangle = Triangle::Of(input, axis);
  const auto row = [&](int64_t i) {
    return [&, i](int64_t j) { return triangle.Element(basis->basis, basis->ncomponents, i, j); };
  };
  PackPanels<T>(triangle.Size(), basis->ncomponents, row, packed);
}

// Sums over k that do not wait for each other.
constexpr int kChains = 4;

// The square of |offset root|, with root [n][n].
template <typename T>
T SquareOfProduct(int64_t n, const T* offset, const T* root) {
  Vec<T> squares = {};
  int64_t j = 0;
  for (; j + kLanes<T> <= n; j += kLanes<T>) {
    Vec<T> sum[kChains] = {};
    const auto add = [&](int64_t k, int chain) {
      Vec<T> element;
      memcpy(&element, root + k * n + j, sizeof(element));
      sum[chain] += offset[k] * element;
    };
    int64_t k = 0;
    for (; k + kChains <= n; k += kChains) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kChains; ++chain) add(k + chain, chain);
    }
    for (; k < n; ++k) add(k, 0);
    const Vec<T> product = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    squares += product * product;
  }
  T square = Sum<T>(squares);
  for (; j < n; ++j) {
    T sum = 0;
    for (int64_t k = 0; k < n; ++k) sum += offset[k] * root[k * n + j];
    square += sum * sum;
  }
  return square;
}

// Squares of the distances of `natoms` descriptors [input]; `components` are rows of scratch.
template <typename T>
void SquareDistances(const DistanceBasis<T>& basis, int64_t natoms, int64_t input,
                     Matrix<T> descriptors, const int32_t* type, Matrix<T> components, T* square) {
  const int64_t n = basis.ncomponents;
  MultiplyPanels<T>(natoms, n, input, descriptors, basis.basis, components, kSet);
  for (int64_t a = 0; a < natoms; ++a) {
    T* offset = components.Row(a);
    const T* origin = basis.origin + type[a] * n;
    for (int64_t k = 0; k < n; ++k) offset[k] -= origin[k];
    square[a] = SquareOfProduct(n, offset, basis.root + type[a] * n * n);
  }
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DISTANCE_H_
