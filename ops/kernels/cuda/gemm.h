// Products of matrices by all threads of a block, in plain multiply-adds of T.
//
// A block makes one tile of the result after the other, at most 128 x 128 of it in float and
// 128 x 64 in double, and each thread keeps its share of a tile in registers. Both factors pass
// through shared memory a few inner terms, a stage, at a time: while one is multiplied, the next is
// read into registers and from there put beside it.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_GEMM_H_
#define DEEPATTN_OPS_KERNELS_CUDA_GEMM_H_

#include "gemm_tile.h"

namespace deepattn {

// The beginning of the shared memory of a block, which products take for themselves. The compiler
// must know what memory it is, which a pointer that is handed over does not tell.
template <typename T>
DEEPATTN_DEVICE GemmMemory<T>& GemmMemoryOf(const Block& block) {
#if defined(__CUDACC__)
  extern __shared__ __align__(16) unsigned char shared[];
  return *reinterpret_cast<GemmMemory<T>*>(shared);
#else
  return *block.Shared().Take<GemmMemory<T> >(1);
#endif
}

template <int down, int across, typename T>
DEEPATTN_DEVICE void MultiplyTile(const Block& block, const Product<T>& of, int row, int column) {
  using Thread = GemmThread<T, down, across>;
  GemmMemory<T>& memory = GemmMemoryOf<T>(block);
  PerThread<Thread> threads(block.threads());
  block.Threads([&](int thread) {
    Thread& own = threads[thread];
    own.Clear();
    own.first = GemmReader<T, down>(thread, of.first, row, of.m, of.k);
    own.second = GemmReader<T, across>(thread, of.second, column, of.n, of.k);
    own.first.Write(own.first.Read(), memory.first[0]);
    own.second.Write(own.second.Read(), memory.second[0]);
  });
  const int stages = (of.k + kGemmDepth - 1) / kGemmDepth;
  for (int stage = 0; stage < stages; ++stage) {
    const int now = stage % 2, next = 1 - now;
    block.Threads([&](int thread) {
      Thread& own = threads[thread];
      const auto first = own.first.Read();
      const auto second = own.second.Read();
      own.Multiply(thread, memory.first[now], memory.second[now]);
      own.first.Write(first, memory.first[next]);
      own.second.Write(second, memory.second[next]);
    });
  }
  block.Threads([&](int thread) { threads[thread].Write(thread, of, row, column); });
}

// By all kGemmThreads threads of a block, whose shared memory begins with GemmMemory. One function,
// so that a kernel of many products stays small.
template <typename T>
DEEPATTN_FUNCTION void Multiply(const Block& block, const Product<T>& of) {
  constexpr int down = kGemmDown, across = kGemmAcross<T>;
  for (int row = 0; row < of.m; row += down * kGemmSpan) {
    const bool low = of.m - row <= kGemmSpan;
    for (int column = 0; column < of.n; column += across * kGemmSpan) {
      const bool narrow = of.n - column <= kGemmSpan;
      if (low && narrow) {
        MultiplyTile<1, 1>(block, of, row, column);
      } else if (narrow) {
        MultiplyTile<down, 1>(block, of, row, column);
      } else if (low) {
        MultiplyTile<1, across>(block, of, row, column);
      } else {
        MultiplyTile<down, across>(block, of, row, column);
      }
    }
  }
}

// c [m][n] = a b, or c += a b.
template <typename T, typename A, typename B>
DEEPATTN_DEVICE void Times(const Block& block, int m, int n, int k, const Matrix<A>& a,
                           const Matrix<B>& b, const Matrix<T>& c, Mode mode = kSet) {
  Multiply<T>(block, {m, n, k, InnerLast(a), InnerFirst(b), c, mode});
}

// c = a^T b, with a stored as [k][m].
template <typename T, typename A, typename B>
DEEPATTN_DEVICE void TransposedTimes(const Block& block, int m, int n, int k, const Matrix<A>& a,
                                     const Matrix<B>& b, const Matrix<T>& c, Mode mode = kSet) {
  Multiply<T>(block, {m, n, k, InnerFirst(a), InnerFirst(b), c, mode});
}

// c = a b^T, with b stored as [n][k].
template <typename T, typename A, typename B>
DEEPATTN_DEVICE void TimesTransposed(const Block& block, int m, int n, int k, const Matrix<A>& a,
                                     const Matrix<B>& b, const Matrix<T>& c, Mode mode = kSet) {
  Multiply<T>(block, {m, n, k, InnerLast(a), InnerLast(b), c, mode});
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_GEMM_H_
