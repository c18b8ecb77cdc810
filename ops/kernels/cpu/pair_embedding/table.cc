// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
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
    LayerColumnsSize<T>, {ForwardPass<T>, BackwardPass<T>, DoubleBackwardPass<T>},
    LayerSumsSize<T>,    WriteLayerSums<T>,
};

}  // namespace

namespace deepattn {

const EmbeddingTable DEEPATTN_TABLE(kEmbedding) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
