// What each instruction set offers to the driver, `pair_embedding.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_

#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/pair_embedding.h"

namespace deepattn {

template <typename T>
struct EmbeddingTypes;

template <>
struct EmbeddingTypes<float> {
  typedef deepattn_pair_embedding_call_f32 Call;
  typedef deepattn_pair_embedding_sums_f32 Sums;
};

template <>
struct EmbeddingTypes<double> {
  typedef deepattn_pair_embedding_call_f64 Call;
  typedef deepattn_pair_embedding_sums_f64 Sums;
};

// Rows are worked through in blocks of this many, which stay in the cache.
constexpr int64_t kBlockRows = 32;

template <typename T>
struct EmbeddingCall : EmbeddingTypes<T>::Call {
  const T* packed;  // parameters as the passes want them
};

// Sizes are in elements; buffers are aligned to 64 bytes.
template <typename T>
struct EmbeddingKernels {
  int64_t (*packed_size)(const deepattn_pair_embedding_shape* shape);
  void (*pack)(const typename EmbeddingTypes<T>::Call* call, T* packed);
  // Scratch memory of a pass of order 0 (forward), 1 (gradient) or 2 (its gradient).
  int64_t (*scratch_size)(const deepattn_pair_embedding_shape* shape, int order);
  // Does one block. Gradients by parameters are added to `sums` unless that is null.
  void (*pass[3])(const EmbeddingCall<T>* call, int64_t block, T* scratch, T* sums);
  int64_t (*sums_size)(const deepattn_pair_embedding_shape* shape);
  // Adds up `number` arrays of sums, in order, and writes the gradients out.
  void (*write_sums)(const deepattn_pair_embedding_shape* shape, const T* sums, int64_t number,
                     const typename EmbeddingTypes<T>::Sums* out);
};

using EmbeddingTable = KernelTable<EmbeddingKernels>;

extern const EmbeddingTable kEmbeddingGeneric;
#if defined(__x86_64__)
extern const EmbeddingTable kEmbeddingAvx2;
extern const EmbeddingTable kEmbeddingAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_
