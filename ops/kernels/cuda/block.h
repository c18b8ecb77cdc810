// A block of threads as a chain of steps. Threads meet at the end of each step, and within one no
// item may read what another writes. On the host a step is a loop over its items, forwards,
// backwards or shuffled: an item that does depend on another gives different results.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_BLOCK_H_
#define DEEPATTN_OPS_KERNELS_CUDA_BLOCK_H_

#include "portable.h"

#if !defined(__CUDACC__)
#include <vector>

#include "host_order.h"
#endif

namespace deepattn {

constexpr int kWarp = 32;

// A variable that every thread of a block has in its registers, over several steps.
template <typename V>
class PerThread {
 public:
#if defined(__CUDACC__)
  DEEPATTN_DEVICE explicit PerThread(int) {}
  DEEPATTN_DEVICE V& operator[](int) { return own_; }

 private:
  V own_;
#else
  explicit PerThread(int threads) : own_(threads) {}
  V& operator[](int thread) { return own_[thread]; }

 private:
  std::vector<V> own_;
#endif
};

class Block {
 public:
#if defined(__CUDACC__)
  DEEPATTN_DEVICE Block(int64_t first, void* shared)
      : index_(first + blockIdx.x), threads_(static_cast<int>(blockDim.x)), shared_(shared) {}
#else
  Block(int64_t index, int threads, void* shared)
      : index_(index), threads_(threads), shared_(shared) {}
#endif

  DEEPATTN_DEVICE int64_t index() const { return index_; }
  DEEPATTN_DEVICE int threads() const { return threads_; }
  // The dynamic shared memory, of the size given at the launch; aligned to 16 bytes.
  DEEPATTN_DEVICE Memory Shared() const { return Memory(shared_); }

  // What is in memory at `place`, for the block to decide what comes next. Only so may it be read
  // between steps: a thread may be in the next step while another still reads.
  template <typename V>
  DEEPATTN_DEVICE V Get(const V* place) const {
    const V value = *place;
#if defined(__CUDACC__)
    __syncthreads();
#endif
    return value;
  }

  // A step: f(item) for every item in [0, n), spread over the threads.
  template <typename F>
  DEEPATTN_DEVICE void Each(int64_t n, const F& f) const {
#if defined(__CUDACC__)
    for (int64_t item = threadIdx.x; item < n; item += threads_) f(item);
    __syncthreads();
#else
    host::ForEach(n, f);
#endif
  }

  // A step: f(thread) once for every thread.
  template <typename F>
  DEEPATTN_DEVICE void Threads(const F& f) const {
#if defined(__CUDACC__)
    f(static_cast<int>(threadIdx.x));
    __syncthreads();
#else
    host::ForEach(threads_, [&](int64_t thread) { f(static_cast<int>(thread)); });
#endif
  }

  // A step: the sums over items in [0, n) of what f(item, &sums) adds to n_sums numbers, in an
  // order that depends on the number of threads alone. Every thread gets them.
  template <typename T, int n_sums, typename F>
  DEEPATTN_DEVICE Numbers<T, n_sums> Sum(int64_t n, const F& f) const {
    return Reduce<T, n_sums>(n, T(0), f, [](T a, T b) { return a + b; });
  }

  // Likewise, of numbers that start from `start` and are joined by join(a, b).
  template <typename T, int n_sums, typename F, typename Join>
  DEEPATTN_DEVICE Numbers<T, n_sums> Reduce(int64_t n, T start, const F& f,
                                            const Join& join) const {
    PerThread<Numbers<T, n_sums>> own(threads_);
    const auto gather = [&](int thread) {
      for (int k = 0; k < n_sums; ++k) own[thread][k] = start;
      for (int64_t item = thread; item < n; item += threads_) f(item, &own[thread]);
    };
#if defined(__CUDACC__)
    __shared__ T of_warp[n_sums * kWarp];
    const int thread = static_cast<int>(threadIdx.x);
    gather(thread);
    for (int k = 0; k < n_sums; ++k) {
      T sum = own[thread][k];
      for (int far = kWarp / 2; far > 0; far /= 2) {
        sum = join(sum, __shfl_down_sync(0xffffffffu, sum, far));
      }
      if (thread % kWarp == 0) of_warp[k * kWarp + thread / kWarp] = sum;
    }
    __syncthreads();
    Numbers<T, n_sums> all;
    for (int k = 0; k < n_sums; ++k) {
      all[k] = of_warp[k * kWarp];
      for (int w = 1; w < threads_ / kWarp; ++w) all[k] = join(all[k], of_warp[k * kWarp + w]);
    }
    __syncthreads();  // of_warp is used again by the next sum
    return all;
#else
    host::ForEach(threads_, [&](int64_t thread) { gather(static_cast<int>(thread)); });
    Numbers<T, n_sums> all = {};
    for (int k = 0; k < n_sums; ++k) {
      for (int first = 0; first < threads_; first += kWarp) {
        for (int far = kWarp / 2; far > 0; far /= 2) {
          for (int lane = 0; lane < far; ++lane) {
            T& sum = own[first + lane][k];
            sum = join(sum, own[first + lane + far][k]);
          }
        }
        all[k] = first == 0 ? own[0][k] : join(all[k], own[first][k]);
      }
    }
    return all;
#endif
  }

  // A step with a warp for every item in [0, n): put(item, sums) of what f(item, k, &sums) adds to
  // n_sums numbers for k in [0, m), in an order that depends on m alone.
  template <typename T, int n_sums, typename F, typename Put>
  DEEPATTN_DEVICE void SumEach(int64_t n, int64_t m, const F& f, const Put& put) const {
#if defined(__CUDACC__)
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    for (int64_t item = threadIdx.x / kWarp; item < n; item += threads_ / kWarp) {
      Numbers<T, n_sums> sums = {};
      for (int64_t k = lane; k < m; k += kWarp) f(item, k, &sums);
      for (int c = 0; c < n_sums; ++c) {
        for (int far = kWarp / 2; far > 0; far /= 2) {
          sums[c] += __shfl_down_sync(0xffffffffu, sums[c], far);
        }
      }
      if (lane == 0) put(item, sums);
    }
    __syncthreads();
#else
    host::ForEach(n, [&](int64_t item) {
      Numbers<T, n_sums> sums[kWarp] = {};
      host::ForEach(kWarp, [&](int64_t lane) {
        for (int64_t k = lane; k < m; k += kWarp) f(item, k, &sums[lane]);
      });
      for (int far = kWarp / 2; far > 0; far /= 2) {
        for (int lane = 0; lane < far; ++lane) {
          for (int c = 0; c < n_sums; ++c) sums[lane][c] += sums[lane + far][c];
        }
      }
      put(item, sums[0]);
    });
#endif
  }

 private:
  int64_t index_;
  int threads_;
  void* shared_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_BLOCK_H_
