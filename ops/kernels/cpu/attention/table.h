// The table of one instruction set. The including file defines, before anything else,
// DEEPATTN_VECTOR_BYTES and DEEPATTN_TILE_ROWS.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_

#include "passes.h"

namespace {

template <typename T>
void ForwardPass(const AttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighbourhood<T>(*call, atom, DEEPATTN_ATTENTION_FORWARD, scratch).Forward();
}

template <typename T>
void GradientPass(const AttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighbourhood<T>(*call, atom, DEEPATTN_ATTENTION_GRADIENT, scratch).Gradient(sums);
}

template <typename T>
void TangentPass(const AttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighbourhood<T>(*call, atom, DEEPATTN_ATTENTION_TANGENT, scratch).Tangent();
}

template <typename T>
void ReversePass(const AttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighbourhood<T>(*call, atom, DEEPATTN_ATTENTION_REVERSE, scratch).Reverse(sums);
}

template <typename T>
struct GemmMemory {
  Matrix<T> b;
  Matrix<T> c;

  GemmMemory(int64_t m, int64_t n, int64_t k, Pieces<T>* pieces)
      : b(pieces->Rows(k, n)), c(pieces->Rows(m, n)) {}
};

template <typename T>
int64_t GemmSize(int64_t m, int64_t n, int64_t k) {
  Pieces<T> pieces(nullptr);
  GemmMemory<T>(m, n, k, &pieces);
  return pieces.used();
}

template <typename T>
void PaddedGemm(int64_t m, int64_t n, int64_t k, const T* a, const T* b, T* c, T* scratch) {
  Pieces<T> pieces(scratch);
  const GemmMemory<T> padded(m, n, k, &pieces);
  for (int64_t i = 0; i < k; ++i) CopyPadded(n, b + i * n, padded.b.Row(i));
  Multiply<false, T>(m, n, k, {a, k}, {padded.b.data, padded.b.stride}, padded.c, kSet);
  for (int64_t i = 0; i < m; ++i) Copy(n, padded.c.Row(i), c + i * n);
}

template <typename T>
constexpr deepattn::AttentionKernels<T> kKernels = {
    PackedSize<T>, Pack<T>,      ScratchSize<T>,
    KeptSize<T>,   StateSize<T>, {ForwardPass<T>, GradientPass<T>, TangentPass<T>, ReversePass<T>},
    SumsSize<T>,   WriteSums<T>, GemmSize<T>,
    PaddedGemm<T>,
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_TABLE_H_
