// What each instruction set offers to the driver, `pair_embedding.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_

#include "kernels/common/pair_embedding.h"
#include "kernels/cpu/instruction_set.h"

namespace deepattn {

// Rows are worked through in blocks of this many, which stay in the cache and are whole tiles of
// products.
constexpr int64_t kBlockRows = 48;

template <typename T>
struct PackedEmbeddingCall : EmbeddingCall<T> {
  const T* packed;  // parameters as the passes want them
};

// Sizes are in elements; buffers are aligned to 64 bytes.
template <typename T>
struct EmbeddingKernels {
  int64_t (*packed_size)(const deepattn_pair_embedding_shape* shape);
  void (*pack)(const EmbeddingCall<T>* call, T* packed);
  // Scratch memory of a pass.
  int64_t (*scratch_size)(const deepattn_pair_embedding_shape* shape, int pass);
  // Does one block. Gradients by parameters are added to `sums` unless that is null.
  void (*pass[kDoubleBackward + 1])(const PackedEmbeddingCall<T>* call, int64_t block, T* scratch,
                                    T* sums);
  int64_t (*sums_size)(const deepattn_pair_embedding_shape* shape);
  // Adds up `number` arrays of sums, in order, and writes the gradients out.
  void (*write_sums)(const deepattn_pair_embedding_shape* shape, const T* sums, int64_t number,
                     const EmbeddingParameters<T>* out);
};

using EmbeddingTable = KernelTable<EmbeddingKernels>;

extern const EmbeddingTable kEmbeddingGeneric;
#if defined(__x86_64__)
extern const EmbeddingTable kEmbeddingAvx2;
extern const EmbeddingTable kEmbeddingAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_
