// The table of one instruction set. The including file defines, before anything else,
// DEEPATTN_VECTOR_BYTES and DEEPATTN_TILE_ROWS.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_

#include "passes.h"

namespace {

template <typename T>
void ForwardPass(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighborhood<T>(*call, atom, kForward, scratch).Forward();
}

template <typename T>
void BackwardPass(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighborhood<T>(*call, atom, kBackward, scratch).Backward(sums);
}

template <typename T>
void TangentPass(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighborhood<T>(*call, atom, kTangent, scratch).Tangent();
}

template <typename T>
void ReversePass(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighborhood<T>(*call, atom, kReverse, scratch).Reverse(sums);
}

template <typename T>
constexpr deepattn::AttentionKernels<T> kKernels = {
    PackedSize<T>,        Pack<T>,
    ScratchSize<T>,       SavedSize<T>,
    SavedTangentsSize<T>, {ForwardPass<T>, BackwardPass<T>, TangentPass<T>, ReversePass<T>},
    SumsSize<T>,          WriteSums<T>,
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_
