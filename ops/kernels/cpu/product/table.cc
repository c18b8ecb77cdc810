// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
//
// The second factor lies in panels as wide as a tile of registers, [k][width] one after the other;
// where its rows are whole aligned vectors it serves as it is, and where each number is needed for
// one part of the result only, a few rows are packed at a time. A part of the result stays in the
// cache while all inner terms are added to it.
#include "kernels.h"
#include "kernels/cpu/simd/arena.h"

namespace {

using deepattn::ProductCall;

template <typename T>
constexpr int64_t kPanel = kTileVectors * kLanes<T>;
// Of a part of the result: its share of the first factor fills a fraction of a second-level cache.
constexpr int64_t kPartRows = 96;
constexpr int64_t kPartPanels = 4;

inline int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <typename T>
int64_t NumberOfPanels(const deepattn_product_shape* shape) {
  return (shape->n + kPanel<T> - 1) / kPanel<T>;
}

// Whether the second factor serves as it is.
template <typename T>
bool IsInPlace(const ProductCall<T>& call) {
  const int64_t bytes = call.shape.n * sizeof(T);
  const bool aligned = (bytes | reinterpret_cast<uintptr_t>(call.b)) % DEEPATTN_VECTOR_BYTES == 0;
  // Rows that many lines apart would compete for the same places in the cache.
  const bool spread = bytes % (8 * kLineBytes) != 0;
  return aligned && spread && !call.shape.transpose_b;
}

template <typename T>
int64_t PackedSize(const ProductCall<T>* call) {
  const deepattn_product_shape& shape = call->shape;
  const bool once = shape.m <= kPartRows && !shape.transpose_b;
  if (once || IsInPlace(*call)) return 0;
  return NumberOfPanels<T>(&shape) * kPanel<T> * shape.k;
}

// Of the rows of a transposed panel, with their padding.
template <typename T>
int64_t PanelScratchSize(const deepattn_product_shape* shape) {
  return shape->transpose_b ? kPanel<T> * Stride<T>(kDepth) : 0;
}

// Rows of a panel, with their padding.
template <typename T>
void PackRows(const ProductCall<T>& call, int64_t panel, int64_t l0, int64_t depth, T* to) {
  const int64_t n = call.shape.n, j0 = panel * kPanel<T>;
  const int64_t width = Smaller(kPanel<T>, n - j0);
  for (int64_t l = l0; l < l0 + depth; ++l, to += kPanel<T>) {
    Copy(width, call.b + l * n + j0, to);
    memset(to + width, 0, (kPanel<T> - width) * sizeof(T));
  }
}

template <typename T>
void PackPanel(const ProductCall<T>* call, int64_t panel, T* scratch) {
  const deepattn_product_shape& shape = call->shape;
  const int64_t j0 = panel * kPanel<T>;
  const int64_t width = Smaller(kPanel<T>, shape.n - j0);
  T* packed = call->packed + j0 * shape.k;
  if (!shape.transpose_b) {
    PackRows(*call, panel, 0, shape.k, packed);
    return;
  }
  const Matrix<T> rows = {scratch, Stride<T>(kDepth)};
  for (int64_t l0 = 0; l0 < shape.k; l0 += kDepth) {
    const int64_t depth = Smaller(kDepth, shape.k - l0);
    for (int64_t j = 0; j < width; ++j) {
      CopyPadded(depth, call->b + (j0 + j) * shape.k + l0, rows.Row(j));
    }
    for (int64_t j = width; j < kPanel<T>; ++j)
      memset(rows.Row(j), 0, RoundUp<T>(depth) * sizeof(T));
    Transpose<T>(kPanel<T>, depth, rows, {packed + l0 * kPanel<T>, kPanel<T>});
  }
}

template <typename T>
int64_t NumberOfTiles(const deepattn_product_shape* shape) {
  const Parts rows(shape->m, kPartRows), columns(NumberOfPanels<T>(shape), kPartPanels);
  return rows.number * columns.number;
}

template <typename T>
int64_t TileScratchSize(const deepattn_product_shape*) {
  return kPartRows * Stride<T>(kPartPanels * kPanel<T>) + kDepth * kPanel<T>;
}

template <typename T, bool transpose_a>
void PartOfResult(const ProductCall<T>& call, int64_t tile, T* scratch) {
  const deepattn_product_shape& shape = call.shape;
  const Parts rows(shape.m, kPartRows), columns(NumberOfPanels<T>(&shape), kPartPanels);
  const Parts depths(shape.k, kDepth);
  const int64_t i0 = rows.Begin(tile / columns.number), m = rows.Size(tile / columns.number);
  const int64_t p0 = columns.Begin(tile % columns.number),
                p1 = p0 + columns.Size(tile % columns.number);
  const int64_t a_stride = transpose_a ? shape.m : shape.k;
  Matrix<T> c = {scratch, Stride<T>(kPartPanels * kPanel<T>)};
  T* const few_rows = c.Row(kPartRows);
  // What is written once may go where it belongs, if that is whole vectors.
  const bool direct =
      depths.number == 1 &&
      (shape.n * sizeof(T) | reinterpret_cast<uintptr_t>(call.c)) % DEEPATTN_VECTOR_BYTES == 0;
  if (direct) c = {call.c + i0 * shape.n + p0 * kPanel<T>, shape.n};
  const bool in_place = call.packed == nullptr && IsInPlace(call);
  for (int64_t d = 0; d < depths.number; ++d) {
    const int64_t l0 = depths.Begin(d);
    const T* a = call.a + (transpose_a ? l0 * a_stride + i0 : i0 * a_stride + l0);
    for (int64_t p = p0; p < p1; ++p) {
      const int64_t j0 = p * kPanel<T>;
      Matrix<const T> b = {few_rows, kPanel<T>};
      if (in_place) {
        b = {call.b + l0 * shape.n + j0, shape.n};
      } else if (call.packed != nullptr) {
        b.data = call.packed + j0 * shape.k + l0 * kPanel<T>;
      } else {
        PackRows(call, p, l0, depths.Size(d), few_rows);
      }
      Multiply<transpose_a, T>(m, Smaller(kPanel<T>, shape.n - j0), depths.Size(d), {a, a_stride},
                               b, {c.data + j0 - p0 * kPanel<T>, c.stride}, d > 0 ? kAdd : kSet);
    }
  }
  if (direct) return;
  const int64_t j0 = p0 * kPanel<T>;
  const int64_t n = Smaller(p1 * kPanel<T>, shape.n) - j0;
  for (int64_t i = 0; i < m; ++i) Copy(n, c.Row(i), call.c + (i0 + i) * shape.n + j0);
}

template <typename T>
void TileOfResult(const ProductCall<T>* call, int64_t tile, T* scratch) {
  if (call->shape.transpose_a) {
    PartOfResult<T, true>(*call, tile, scratch);
  } else {
    PartOfResult<T, false>(*call, tile, scratch);
  }
}

template <typename T>
constexpr deepattn::ProductKernels<T> kKernels = {
    PackedSize<T>,    NumberOfPanels<T>,  PanelScratchSize<T>, PackPanel<T>,
    NumberOfTiles<T>, TileScratchSize<T>, TileOfResult<T>,
};

}  // namespace

namespace deepattn {

const ProductTable DEEPATTN_TABLE(kProduct) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
