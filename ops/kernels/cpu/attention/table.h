// The table of one instruction set. The including file defines, before anything else,
// DEEPATTN_VECTOR_BYTES and DEEPATTN_TILE_ROWS.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_

#include "passes.h"

namespace {

template <typename T>
void ForwardPass(const AttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighborhood<T>(*call, atom, DEEPATTN_ATTENTION_FORWARD, scratch).Forward();
}

template <typename T>
void GradientPass(const AttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighborhood<T>(*call, atom, DEEPATTN_ATTENTION_GRADIENT, scratch).Gradient(sums);
}

template <typename T>
void TangentPass(const AttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighborhood<T>(*call, atom, DEEPATTN_ATTENTION_TANGENT, scratch).Tangent();
}

template <typename T>
void ReversePass(const AttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighborhood<T>(*call, atom, DEEPATTN_ATTENTION_REVERSE, scratch).Reverse(sums);
}

template <typename T>
constexpr deepattn::AttentionKernels<T> kKernels = {
    PackedSize<T>, Pack<T>,      ScratchSize<T>,
    KeptSize<T>,   StateSize<T>, {ForwardPass<T>, GradientPass<T>, TangentPass<T>, ReversePass<T>},
    SumsSize<T>,   WriteSums<T>,
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_
