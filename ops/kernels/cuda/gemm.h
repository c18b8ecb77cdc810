// A product of matrices by one block, in plain multiply-adds of T: chunks of both operands are
// staged in shared memory, the next while the current one is multiplied, and each thread keeps a
// tile of the result in its registers.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_GEMM_H_
#define DEEPATTN_OPS_KERNELS_CUDA_GEMM_H_

#include "block.h"

namespace deepattn {

template <typename T, int threads, int tile_rows, int tile_columns>
class Gemm {
 public:
  static constexpr int kDepth = 16;                            // of a chunk
  static constexpr int kAcross = 16;                           // threads side by side
  static constexpr int kRows = threads / kAcross * tile_rows;  // of the result at once
  static constexpr int kColumns = kAcross * tile_columns;

  DEEPATTN_BOTH explicit Gemm(Memory* memory)
      : left_(memory->Take<T>(2 * kDepth * kLeftStride)),
        right_(memory->Take<T>(2 * kDepth * kRightStride)) {}

  // out(i, j, Σ_k left(i, k) · right(k, j)) for every i in [0, rows) and j in [0, columns), summed
  // by k in order. `out` may write what the next product reads, not what this one does.
  template <typename Left, typename Right, typename Out>
  DEEPATTN_DEVICE void Run(const Block& block, int64_t rows, int64_t columns, int64_t depth,
                           const Left& left, const Right& right, const Out& out) const {
    const int64_t chunks = (depth + kDepth - 1) / kDepth;
    for (int64_t i0 = 0; i0 < rows; i0 += kRows) {
      for (int64_t j0 = 0; j0 < columns; j0 += kColumns) {
        PerThread<Tile> sums(block.threads());
        const auto at_left = [&](int64_t i, int64_t k) {
          return i0 + i < rows && k < depth ? left(i0 + i, k) : T(0);
        };
        const auto at_right = [&](int64_t k, int64_t j) {
          return k < depth && j0 + j < columns ? right(k, j0 + j) : T(0);
        };
        block.Threads([&](int thread) {
          for (int n = 0; n < tile_rows * tile_columns; ++n) sums[thread].at[n] = 0;
          Fetched next;
          Fetch(thread, 0, at_left, at_right, &next);
          Stage(thread, 0, next);
        });
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
          block.Threads([&](int thread) {
            Fetched next;
            const bool more = chunk + 1 < chunks;
            if (more) Fetch(thread, (chunk + 1) * kDepth, at_left, at_right, &next);
            Multiply(thread, static_cast<int>(chunk % 2), &sums[thread]);
            if (more) Stage(thread, static_cast<int>((chunk + 1) % 2), next);
          });
        }
        block.Threads([&](int thread) {
          for (int r = 0; r < tile_rows; ++r) {
            for (int c = 0; c < tile_columns; ++c) {
              const int64_t i = i0 + thread / kAcross * tile_rows + r;
              const int64_t j = j0 + thread % kAcross * tile_columns + c;
              if (i < rows && j < columns) out(i, j, sums[thread].at[r * tile_columns + c]);
            }
          }
        });
      }
    }
  }

 private:
  // Rows in shared memory are a vector longer, so that columns lie in different banks.
  static constexpr int kPad = 16 / sizeof(T);
  static constexpr int kLeftStride = kRows + kPad;
  static constexpr int kRightStride = kColumns + kPad;
  static constexpr int kLeftShare = kDepth * kRows / threads;
  static constexpr int kRightShare = kDepth * kColumns / threads;
  static_assert(kLeftShare * threads == kDepth * kRows, "shares must be whole");
  static_assert(kRightShare * threads == kDepth * kColumns, "shares must be whole");

  struct Tile {
    T at[tile_rows * tile_columns];
  };

  struct Fetched {
    T left[kLeftShare];
    T right[kRightShare];
  };

  template <typename Left, typename Right>
  DEEPATTN_DEVICE static void Fetch(int thread, int64_t k0, const Left& left, const Right& right,
                                    Fetched* to) {
    for (int n = 0; n < kLeftShare; ++n) {
      const int item = thread + n * threads;
      to->left[n] = left(item / kDepth, k0 + item % kDepth);
    }
    for (int n = 0; n < kRightShare; ++n) {
      const int item = thread + n * threads;
      to->right[n] = right(k0 + item / kColumns, item % kColumns);
    }
  }

  DEEPATTN_DEVICE void Stage(int thread, int half, const Fetched& from) const {
    for (int n = 0; n < kLeftShare; ++n) {
      const int item = thread + n * threads;
      left_[(half * kDepth + item % kDepth) * kLeftStride + item / kDepth] = from.left[n];
    }
    for (int n = 0; n < kRightShare; ++n) {
      const int item = thread + n * threads;
      right_[(half * kDepth + item / kColumns) * kRightStride + item % kColumns] = from.right[n];
    }
  }

  DEEPATTN_DEVICE void Multiply(int thread, int half, Tile* sums) const {
    const T* left = left_ + half * kDepth * kLeftStride + thread / kAcross * tile_rows;
    const T* right = right_ + half * kDepth * kRightStride + thread % kAcross * tile_columns;
    for (int k = 0; k < kDepth; ++k) {
      const auto a = Load<tile_rows>(left + k * kLeftStride);
      const auto b = Load<tile_columns>(right + k * kRightStride);
      for (int r = 0; r < tile_rows; ++r) {
        for (int c = 0; c < tile_columns; ++c) sums->at[r * tile_columns + c] += a[r] * b[c];
      }
    }
  }

  T* left_;   // [2][kDepth][kLeftStride]
  T* right_;  // [2][kDepth][kRightStride]
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_GEMM_H_
