// Products of small matrices that stay in the cache. Nothing is packed: the first factor is read
// element by element in either orientation, the second by vectors along its padded rows.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SIMD_GEMM_H_
#define DEEPATTN_OPS_KERNELS_CPU_SIMD_GEMM_H_

#include "simd.h"

namespace {

// Registers hold rows times vectors of sums, the vectors, and one element of the first factor.
constexpr int kTileRows = DEEPATTN_TILE_ROWS;
constexpr int kTileVectors = 3;
// A tile's share of the second factor then fills half of a first-level cache.
constexpr int64_t kDepth = 128;

// Rows of a matrix; those of scratch memory are aligned and padded to whole vectors.
template <typename T>
struct Matrix {
  T* data = nullptr;
  int64_t stride = 0;

  T* Row(int64_t i) const { return data + i * stride; }
  // Rows from number i on.
  Matrix From(int64_t i) const { return {Row(i), stride}; }
};

enum Mode { kSet, kAdd };

template <typename T>
using TileFn = void (*)(int64_t depth, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
                        T* c, int64_t c_stride, bool add);

template <typename T, bool transposed, int rows, int vectors>
void Tile(int64_t depth, const T* a, int64_t a_stride, const T* b, int64_t b_stride, T* c,
          int64_t c_stride, bool add) {
  // Unrolled, or the sums would be kept in memory.
  Vec<T> sum[rows][vectors];
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) sum[i][v] = Vec<T>{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vec<T> column[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) column[v] = At(b + v * kLanes<T>);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const T element = transposed ? a[i] : a[i * a_stride];
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) sum[i][v] += element * column[v];
    }
    a += transposed ? a_stride : 1;
    b += b_stride;
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      Vec<T>& target = At(c + i * c_stride + v * kLanes<T>);
      if (add) sum[i][v] += target;
      target = sum[i][v];
    }
  }
}

// The tile of that many rows (at most `most`) and vectors.
template <typename T, bool transposed, int most = kTileRows>
inline TileFn<T> PickTile(int64_t rows, int64_t vectors) {
  if constexpr (most > 1) {
    if (rows < most) return PickTile<T, transposed, most - 1>(rows, vectors);
  }
  switch (vectors) {
    case 1:
      return Tile<T, transposed, most, 1>;
    case 2:
      return Tile<T, transposed, most, 2>;
    default:
      return Tile<T, transposed, most, kTileVectors>;
  }
}

// Cuts `size` into the fewest parts of at most `most`, nearly equal.
struct Parts {
  int64_t size;
  int64_t number;

  Parts(int64_t size, int64_t most) : size(size), number((size + most - 1) / most) {}
  int64_t Begin(int64_t part) const { return size * part / number; }
  int64_t Size(int64_t part) const { return Begin(part + 1) - Begin(part); }
};

// c [m][n] = a b or c += a b with k > 0 inner terms, a [m][k] or, transposed, stored as [k][m]. The
// padding of c comes from that of b.
template <bool transposed, typename T>
void Multiply(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c,
              Mode mode) {
  const Parts depths(k, kDepth);
  const Parts columns(RoundUp<T>(n) / kLanes<T>, kTileVectors);
  const Parts rows(m, kTileRows);
  for (int64_t d = 0; d < depths.number; ++d) {
    const int64_t k0 = depths.Begin(d);
    for (int64_t j = 0; j < columns.number; ++j) {
      const int64_t j0 = columns.Begin(j) * kLanes<T>;
      for (int64_t i = 0; i < rows.number; ++i) {
        const int64_t i0 = rows.Begin(i);
        const T* first = transposed ? a.Row(k0) + i0 : a.Row(i0) + k0;
        PickTile<T, transposed>(rows.Size(i), columns.Size(j))(
            depths.Size(d), first, a.stride, b.Row(k0) + j0, b.stride, c.Row(i0) + j0, c.stride,
            mode == kAdd || d > 0);
      }
    }
  }
}

template <typename T>
void Product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, Matrix<T> c,
             Mode mode = kSet) {
  Multiply<false, T>(m, n, k, {a.data, a.stride}, {b.data, b.stride}, c, mode);
}

template <typename T>
void TransposedProduct(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, Matrix<T> c,
                       Mode mode = kSet) {
  Multiply<true, T>(m, n, k, {a.data, a.stride}, {b.data, b.stride}, c, mode);
}

// out [m][n] = a^T of a [n][m], both padded; the padding of out's rows is zero.
template <typename T>
void Transpose(int64_t n, int64_t m, Matrix<T> a, Matrix<T> out) {
  constexpr int64_t size = kLanes<T>;
  for (int64_t i = 0; i < n; i += size) {
    for (int64_t j = 0; j < m; j += size) {
      Vec<T> block[size];
      for (int64_t r = 0; r < size; ++r) {
        block[r] = i + r < n ? At(a.Row(i + r) + j) : Vec<T>{};
      }
      // A perfect shuffle of the rows, repeated for every bit of an index, swaps its two halves.
      for (int64_t bit = 1; bit < size; bit *= 2) {
        Vec<T> shuffled[size];
        for (int64_t r = 0; r < size / 2; ++r) {
          shuffled[2 * r] = Interleave<T, false>(block[r], block[r + size / 2]);
          shuffled[2 * r + 1] = Interleave<T, true>(block[r], block[r + size / 2]);
        }
        for (int64_t r = 0; r < size; ++r) block[r] = shuffled[r];
      }
      for (int64_t r = 0; r < size && j + r < m; ++r) At(out.Row(j + r) + i) = block[r];
    }
  }
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_SIMD_GEMM_H_
