// The table of one instruction set. The including file defines, before anything else,
// DEEPATTN_VECTOR_BYTES and DEEPATTN_TILE_ROWS.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_TABLE_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_TABLE_H_

#include "passes.h"

namespace {

template <typename T>
void ForwardPass(const PackedEmbeddingCall<T>* call, int64_t block, T* scratch, T*) {
  Block<T>(*call, block, kForward, scratch).Forward();
}

template <typename T>
void BackwardPass(const PackedEmbeddingCall<T>* call, int64_t block, T* scratch, T* sums) {
  Block<T>(*call, block, kBackward, scratch).Backward(sums);
}

template <typename T>
void DoubleBackwardPass(const PackedEmbeddingCall<T>* call, int64_t block, T* scratch, T* sums) {
  Block<T>(*call, block, kDoubleBackward, scratch).DoubleBackward(sums);
}

template <typename T>
constexpr deepattn::EmbeddingKernels<T> kKernels = {
    PackedLayersSize<T>, PackLayers<T>,
    LayerRowsSize<T>,    {ForwardPass<T>, BackwardPass<T>, DoubleBackwardPass<T>},
    LayerSumsSize<T>,    WriteLayerSums<T>,
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_TABLE_H_
