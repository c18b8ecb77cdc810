// A tile of a product of matrices: what one thread does for it.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_GEMM_TILE_H_
#define DEEPATTN_OPS_KERNELS_CUDA_GEMM_TILE_H_

#include "matrix.h"

namespace deepattn {

constexpr int kGemmThreads = 256;
constexpr int kGemmDepth = 8;              // inner terms of a stage
constexpr int kGemmQuad = 4;               // neighbors that belong to one thread
constexpr int kGemmSpan = 16 * kGemmQuad;  // 16 threads side by side, 16 below each other
// Of these so many are loaded ahead: with more the registers do not suffice.
template <typename T>
constexpr int kGemmTerms = 8 / sizeof(T);
constexpr int kGemmVector = 16;  // bytes of the largest load

// Quads of a thread down and across the largest tile: as many as fit into half of the registers of
// a multiprocessor, so that another block can fill the pauses of this one.
constexpr int kGemmDown = 2;
template <typename T>
constexpr int kGemmAcross = sizeof(T) == sizeof(float) ? 2 : 1;

// Numbers in a row, with the same inner index, of a stage of a factor. It is a quad longer than it
// needs to be: elements that are written at the same time then lie in different banks.
template <int quads>
constexpr int kRow = quads * kGemmSpan + kGemmQuad;

// Two stages of both factors.
template <typename T>
struct alignas(kGemmVector) GemmMemory {
  T first[2][kGemmDepth * kRow<kGemmDown>];
  T second[2][kGemmDepth * kRow<kGemmAcross<T>>];
};

// What one thread reads of every stage of a factor. Threads beside each other read numbers that
// are beside each other in memory.
template <typename T, int quads>
class GemmReader {
 public:
  static constexpr int kOuter = quads * kGemmSpan;
  static constexpr int kShare = kOuter * kGemmDepth / kGemmThreads;
  using Share = Numbers<T, kShare>;

  GemmReader() = default;

  // Of the tile that begins with the outer element `begin`, of a factor with so many of both.
  DEEPATTN_DEVICE GemmReader(int thread, const Factor<T>& factor, int begin, int outers, int inners)
      : inner_last_(factor.inner_stride == 1) {
    const int outer = inner_last_ ? thread / kGemmDepth : thread % kOuter;
    const int inner = inner_last_ ? thread % kGemmDepth : thread / kOuter;
    outer_left_ = outers - begin - outer;
    inner_left_ = inners - inner;
    place_ = inner * kRow<quads> + outer;
    step_ = inner_last_ ? kOuterStep * factor.outer_stride : kInnerStep * factor.inner_stride;
    advance_ = kGemmDepth * factor.inner_stride;
    from_ = factor.data + static_cast<int64_t>(begin + outer) * factor.outer_stride +
            static_cast<int64_t>(inner) * factor.inner_stride;
  }

  // Its share of the next stage; zeros beyond the matrix.
  DEEPATTN_DEVICE Share Read() {
    AssumeGlobal(from_);
    Share share;
    DEEPATTN_UNROLL
    for (int i = 0; i < kShare; ++i) {
      const bool inside = outer_left_ > (inner_last_ ? i * kOuterStep : 0) &&
                          inner_left_ > (inner_last_ ? 0 : i * kInnerStep);
      share[i] = inside ? from_[static_cast<unsigned>(i * step_)] : T(0);
    }
    from_ += advance_;
    inner_left_ -= kGemmDepth;
    return share;
  }

  DEEPATTN_DEVICE void Write(const Share& share, T* stage) const {
    const int step = inner_last_ ? kOuterStep : kInnerStep * kRow<quads>;
    DEEPATTN_UNROLL
    for (int i = 0; i < kShare; ++i) stage[place_ + i * step] = share[i];
  }

 private:
  static constexpr int kOuterStep = kGemmThreads / kGemmDepth;
  static constexpr int kInnerStep = kGemmThreads / kOuter;

  bool inner_last_;
  int outer_left_;  // elements from this thread's first to the end
  int inner_left_;
  int place_;
  int step_;
  int advance_;
  const T* from_;
};

// One thread's part of a tile of `down` times `across` quads a thread.
template <typename T, int down, int across>
struct GemmThread {
  GemmReader<T, down> first;
  GemmReader<T, across> second;
  Numbers<T, kGemmQuad> sum[down * kGemmQuad][across];

  // The threads of a warp lie 4 x 8, so that they load few different numbers.
  static DEEPATTN_DEVICE int Row(int thread) { return thread / 64 * 4 + thread % 32 / 8; }
  static DEEPATTN_DEVICE int Column(int thread) { return thread / 32 % 2 * 8 + thread % 8; }

  DEEPATTN_DEVICE void Clear() {
    DEEPATTN_UNROLL
    for (int i = 0; i < down * kGemmQuad; ++i) {
      DEEPATTN_UNROLL
      for (int j = 0; j < across; ++j) sum[i][j] = {};
    }
  }

  DEEPATTN_DEVICE void Multiply(int thread, const T* a, const T* b) {
    a += Row(thread) * kGemmQuad;
    b += Column(thread) * kGemmQuad;
    DEEPATTN_ROLL
    for (int k = 0; k < kGemmDepth; k += kGemmTerms<T>) {
      DEEPATTN_UNROLL
      for (int term = 0; term < kGemmTerms<T>; ++term) {
        MultiplyTerm(a + (k + term) * kRow<down>, b + (k + term) * kRow<across>);
      }
    }
  }

  DEEPATTN_DEVICE void MultiplyTerm(const T* a, const T* b) {
    Numbers<T, kGemmQuad> rows[down], columns[across];
    DEEPATTN_UNROLL
    for (int q = 0; q < down; ++q) rows[q] = Load<kGemmQuad>(a + q * kGemmSpan);
    DEEPATTN_UNROLL
    for (int q = 0; q < across; ++q) columns[q] = Load<kGemmQuad>(b + q * kGemmSpan);
    DEEPATTN_UNROLL
    for (int i = 0; i < down * kGemmQuad; ++i) {
      DEEPATTN_UNROLL
      for (int j = 0; j < across * kGemmQuad; ++j) {
        sum[i][j / kGemmQuad][j % kGemmQuad] +=
            rows[i / kGemmQuad][i % kGemmQuad] * columns[j / kGemmQuad][j % kGemmQuad];
      }
    }
  }

  // Into the tile of the result that begins at (row, column).
  DEEPATTN_DEVICE void Write(int thread, const Product<T>& of, int row, int column) const {
    const Matrix<T> out = of.out;
    const Mode mode = of.mode;
    AssumeGlobal(out.data);
    const int m = of.m, n = of.n;
    const bool aligned =
        out.stride % kGemmQuad == 0 && reinterpret_cast<uintptr_t>(out.data) % kGemmVector == 0;
    DEEPATTN_UNROLL
    for (int i = 0; i < down * kGemmQuad; ++i) {
      const int r = row + i / kGemmQuad * kGemmSpan + Row(thread) * kGemmQuad + i % kGemmQuad;
      DEEPATTN_UNROLL
      for (int q = 0; q < across; ++q) {
        const int c = column + q * kGemmSpan + Column(thread) * kGemmQuad;
        if (r >= m || c >= n) continue;
        T* place = out.Row(r) + c;
        if (aligned && c + kGemmQuad <= n) {
          WriteQuad(sum[i][q], mode, place);
        } else {
          DEEPATTN_UNROLL
          for (int j = 0; j < kGemmQuad; ++j) {
            if (c + j < n) place[j] = mode == kAdd ? place[j] + sum[i][q][j] : sum[i][q][j];
          }
        }
      }
    }
  }

  static DEEPATTN_DEVICE void WriteQuad(Numbers<T, kGemmQuad> quad, Mode mode, T* place) {
    if (mode == kAdd) {
      const auto before = Load<kGemmQuad>(place);
      DEEPATTN_UNROLL
      for (int j = 0; j < kGemmQuad; ++j) quad[j] += before[j];
    }
    Store(place, quad);
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_GEMM_TILE_H_
