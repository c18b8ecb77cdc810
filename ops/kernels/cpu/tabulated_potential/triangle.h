// The numbers of a descriptor D that the passes keep.
//
// D[i·axis + k] = Σ_c B[c][i] B[c][k] is the same for (i, k) and (k, i) where both are below
// `axis`. The passes have each number once, in rows of k: those with i ≥ k. A matrix for D then has
// the sum of two rows in one, which saves their products.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_TRIANGLE_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_TRIANGLE_H_

#include <stdint.h>

namespace {

struct Triangle {
  int64_t width;
  int64_t axis;

  // Of all of D.
  static Triangle Of(int64_t input, int64_t axis) { return {input / axis, axis}; }

  // Where row k would have number 0; it begins with number k.
  int64_t Row(int64_t k) const { return k * width - k * (k + 1) / 2; }

  // How many numbers there are.
  int64_t Size() const { return Row(axis) + axis; }

  // Element `j` of the row for number n in a matrix for D [width · axis][columns].
  template <typename T>
  T Element(const T* matrix, int64_t columns, int64_t n, int64_t j) const {
    int64_t k = 0;
    while (n >= width - k) n -= width - k++;
    const int64_t i = k + n;
    const T element = matrix[(i * axis + k) * columns + j];
    return i == k || i >= axis ? element : element + matrix[(k * axis + i) * columns + j];
  }
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_TRIANGLE_H_
