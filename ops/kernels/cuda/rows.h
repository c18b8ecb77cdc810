// Steps over the rows of matrices, and sums down their columns.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ROWS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ROWS_H_

#include "block.h"

namespace deepattn {

// The threads that work on one row together. There are few, so that a warp has several rows under
// way: their waiting overlaps, and each thread adds up many numbers before they need to meet.
class Lanes {
 public:
  static constexpr int kSize = 8;

#if defined(__CUDACC__)
  DEEPATTN_DEVICE explicit Lanes(int thread)
      : lane_(thread % kSize), mask_(((1u << kSize) - 1) << (thread % kWarp / kSize * kSize)) {}
#endif

  // f(i) for every i in [0, n). The same thread has the same i each time, so f may read what it
  // wrote at i before.
  template <typename F>
  DEEPATTN_DEVICE void Each(int n, const F& f) const {
#if defined(__CUDACC__)
    for (int i = lane_; i < n; i += kSize) f(i);
#else
    host::ForEach(n, [&](int64_t i) { f(static_cast<int>(i)); });
#endif
  }

  // Once for the row.
  template <typename F>
  DEEPATTN_DEVICE void Once(const F& f) const {
#if defined(__CUDACC__)
    if (lane_ == 0) f();
#else
    f();
#endif
  }

  // What f(i, &numbers) makes of `start`, each thread beginning with it, one i after the other;
  // then join(a, b) of pairs of threads. All threads get it.
  template <typename T, int n_sums, typename F, typename Join>
  DEEPATTN_DEVICE Numbers<T, n_sums> Reduce(int n, T start, const F& f, const Join& join) const {
#if defined(__CUDACC__)
    Numbers<T, n_sums> own;
    for (int k = 0; k < n_sums; ++k) own[k] = start;
    for (int i = lane_; i < n; i += kSize) f(i, &own);
    for (int far = kSize / 2; far > 0; far /= 2) {
      for (int k = 0; k < n_sums; ++k) {
        own[k] = join(own[k], __shfl_xor_sync(mask_, own[k], far));
      }
    }
    return own;
#else
    Numbers<T, n_sums> own[kSize];
    host::ForEach(kSize, [&](int64_t lane) {
      for (int k = 0; k < n_sums; ++k) own[lane][k] = start;
      for (int i = static_cast<int>(lane); i < n; i += kSize) f(i, &own[lane]);
    });
    for (int far = kSize / 2; far > 0; far /= 2) {
      for (int lane = 0; lane < far; ++lane) {
        for (int k = 0; k < n_sums; ++k) own[lane][k] = join(own[lane][k], own[lane + far][k]);
      }
    }
    return own[0];
#endif
  }

  // The sums over i of what f(i, &sums) adds to them.
  template <typename T, int n_sums, typename F>
  DEEPATTN_DEVICE Numbers<T, n_sums> Sums(int n, const F& f) const {
    return Reduce<T, n_sums>(n, T(0), f, [](T a, T b) { return a + b; });
  }

  // The sum of f(i).
  template <typename T, typename F>
  DEEPATTN_DEVICE T Sum(int n, const F& f) const {
    return Sums<T, 1>(n, [&](int i, Numbers<T, 1>* sum) { (*sum)[0] += f(i); })[0];
  }

#if defined(__CUDACC__)
 private:
  int lane_;
  unsigned mask_;
#endif
};

// A step: f(row, lanes) for every row in [0, rows).
template <typename F>
DEEPATTN_DEVICE void EachRow(const Block& block, int rows, const F& f) {
#if defined(__CUDACC__)
  block.Threads([&](int thread) {
    const Lanes lanes(thread);
    for (int row = thread / Lanes::kSize; row < rows; row += block.threads() / Lanes::kSize) {
      f(row, lanes);
    }
  });
#else
  block.Each(rows, [&](int64_t row) { f(static_cast<int>(row), Lanes()); });
#endif
}

// Steps: for every column in [0, columns) the sums over `rows` rows of what f(row, column, &sums)
// adds to them, given to finish(column, sums). The order of a sum depends on the number of threads
// alone. `partial` is shared memory for n_sums numbers a thread.
template <typename T, int n_sums, typename F, typename Finish>
DEEPATTN_DEVICE void ColumnSums(const Block& block, T* partial, int rows, int columns, const F& f,
                                const Finish& finish) {
  using Sums = Numbers<T, n_sums>;
  const int threads = block.threads(), parts = threads / kWarp;
  for (int first = 0; first < columns; first += kWarp) {
    block.Threads([&](int thread) {
      const int column = first + thread % kWarp;
      if (column >= columns) return;
      Sums own;
      for (int k = 0; k < n_sums; ++k) own[k] = 0;
      for (int row = thread / kWarp; row < rows; row += parts) f(row, column, &own);
      for (int k = 0; k < n_sums; ++k) partial[k * threads + thread] = own[k];
    });
    block.Each(columns - first < kWarp ? columns - first : kWarp, [&](int64_t item) {
      const int lane = static_cast<int>(item);
      Sums total;
      for (int k = 0; k < n_sums; ++k) {
        total[k] = partial[k * threads + lane];
        for (int part = 1; part < parts; ++part) {
          total[k] += partial[k * threads + part * kWarp + lane];
        }
      }
      finish(first + lane, total);
    });
  }
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ROWS_H_
