// What each instruction set offers to the driver, `pair_embedding.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_

#include "kernels/common/pair_embedding.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/three_passes.h"

namespace deepattn {

// Rows are worked through in blocks of this many, which stay in the cache and are whole tiles of
// products.
constexpr int64_t kBlockRows = 48;

template <typename T>
using PackedEmbeddingCall = PackedCall<EmbeddingCall<T>, T>;

template <typename T>
using EmbeddingKernels =
    ThreePassKernels<T, deepattn_pair_embedding_shape, EmbeddingCall<T>, EmbeddingParameters<T>>;

using EmbeddingTable = KernelTable<EmbeddingKernels>;

extern const EmbeddingTable kEmbeddingGeneric;
#if defined(__x86_64__)
extern const EmbeddingTable kEmbeddingAvx2;
extern const EmbeddingTable kEmbeddingAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_KERNELS_H_
