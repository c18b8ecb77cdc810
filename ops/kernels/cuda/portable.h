// One source for two compilers: nvcc makes kernels of it, a plain C++ compiler the same steps as
// loops on the host, where tests run them.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PORTABLE_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PORTABLE_H_

#include <stdint.h>

#include "kernels/common/both.h"

#if defined(__CUDACC__)
#define DEEPATTN_DEVICE __device__ __forceinline__
#define DEEPATTN_FUNCTION __device__ __noinline__  // one copy for all who call it
#define DEEPATTN_ROLL _Pragma("unroll 1")          // or registers would not suffice
#define DEEPATTN_UNROLL _Pragma("unroll")          // or what is indexed would be kept in memory
#else
#define DEEPATTN_DEVICE inline
#define DEEPATTN_FUNCTION inline
#define DEEPATTN_ROLL
#define DEEPATTN_UNROLL
#endif

namespace deepattn {

// A few numbers in registers. Where they are a multiple of 16 bytes they move in whole vectors.
template <typename T, int n>
struct alignas(n * sizeof(T) % 16 == 0 ? 16 : sizeof(T)) Numbers {
  T at[n];

  DEEPATTN_BOTH T& operator[](int k) { return at[k]; }
  DEEPATTN_BOTH const T& operator[](int k) const { return at[k]; }
};

// The numbers at `from`, which is aligned as they are.
template <int n, typename T>
DEEPATTN_BOTH Numbers<T, n> Load(const T* from) {
  return *reinterpret_cast<const Numbers<T, n>*>(from);
}

template <int n, typename T>
DEEPATTN_BOTH void Store(T* to, const Numbers<T, n>& numbers) {
  *reinterpret_cast<Numbers<T, n>*>(to) = numbers;
}

// Tells the compiler what it cannot see where a pointer comes from memory; loads are faster then.
template <typename T>
DEEPATTN_DEVICE void AssumeGlobal([[maybe_unused]] const T* pointer) {
#if defined(__CUDACC__)
  __builtin_assume(__isGlobal(pointer));
#endif
}

// Counters in shared or global memory; returns what was there. Only for integers: their sums do
// not depend on the order, those of floats do.
template <typename Int>
DEEPATTN_DEVICE Int AtomicAdd(Int* counter, Int value) {
#if defined(__CUDACC__)
  return atomicAdd(counter, value);
#else
  const Int before = *counter;
  *counter += value;
  return before;
#endif
}

template <typename Int>
DEEPATTN_DEVICE void AtomicMin(Int* place, Int value) {
#if defined(__CUDACC__)
  atomicMin(place, value);
#else
  if (value < *place) *place = value;
#endif
}

// Arena of one stretch of memory, each aligned to 16 bytes. With a null base it only counts, so
// the size of what a kernel will take is found by the code that takes it.
class Memory {
 public:
  DEEPATTN_BOTH explicit Memory(void* base) : base_(static_cast<char*>(base)) {}

  template <typename T>
  DEEPATTN_BOTH T* Take(int64_t n) {
    char* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (n * static_cast<int64_t>(sizeof(T)) + 15) / 16 * 16;
    return reinterpret_cast<T*>(piece);
  }

  DEEPATTN_BOTH int64_t used() const { return used_; }

 private:
  char* base_;
  int64_t used_ = 0;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PORTABLE_H_
