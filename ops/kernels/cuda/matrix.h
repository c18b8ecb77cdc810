// Matrices in global memory, and what a product of two is made of.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_MATRIX_H_
#define DEEPATTN_OPS_KERNELS_CUDA_MATRIX_H_

#include <type_traits>

#include "block.h"

namespace deepattn {

// Rows of a matrix.
template <typename T>
struct Matrix {
  T* data;
  int stride;

  DEEPATTN_DEVICE T* Row(int64_t i) const { return data + i * stride; }
};

// A factor of a product, as its elements (outer, inner): inner is what the sum runs over, outer a
// row of the first factor or a column of the second.
template <typename T>
struct Factor {
  const T* data;
  int outer_stride;
  int inner_stride;
};

// The first factor as stored, or the second from its transpose.
template <typename U>
DEEPATTN_DEVICE Factor<std::remove_const_t<U>> InnerLast(const Matrix<U>& matrix) {
  return {matrix.data, matrix.stride, 1};
}

// The first factor from its transpose, or the second as stored.
template <typename U>
DEEPATTN_DEVICE Factor<std::remove_const_t<U>> InnerFirst(const Matrix<U>& matrix) {
  return {matrix.data, 1, matrix.stride};
}

enum Mode { kSet, kAdd };

// out [m][n] = first second, or out += first second, with k inner terms; m and k may be 0.
template <typename T>
struct Product {
  int m;
  int n;
  int k;
  Factor<T> first;
  Factor<T> second;
  Matrix<T> out;
  Mode mode;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_MATRIX_H_
