// What each instruction set offers to the driver, `pair_attention.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_KERNELS_H_

#include "kernels/common/pair_attention.h"
#include "kernels/cpu/instruction_set.h"

namespace deepattn {

template <typename T>
struct PackedPairAttentionCall : PairAttentionCall<T> {
  const T* packed;  // parameters as the passes want them
};

// Sizes are in elements; buffers are aligned to 64 bytes.
template <typename T>
struct PairAttentionKernels {
  int64_t (*packed_size)(const deepattn_pair_attention_shape* shape);
  void (*pack)(const PairAttentionCall<T>* call, T* packed);
  int64_t (*scratch_size)(const deepattn_pair_attention_shape* shape, int pass);
  // Does one atom. Gradients by parameters are added to `sums` unless that is null.
  void (*pass[kDoubleBackward + 1])(const PackedPairAttentionCall<T>* call, int64_t atom,
                                    T* scratch, T* sums);
  int64_t (*sums_size)(const deepattn_pair_attention_shape* shape);
  // Adds up `number` arrays of sums, in order, and writes the gradients out.
  void (*write_sums)(const deepattn_pair_attention_shape* shape, const T* sums, int64_t number,
                     const PairAttentionParameters<T>* out);
};

using PairAttentionTable = KernelTable<PairAttentionKernels>;

extern const PairAttentionTable kPairAttentionGeneric;
#if defined(__x86_64__)
extern const PairAttentionTable kPairAttentionAvx2;
extern const PairAttentionTable kPairAttentionAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_KERNELS_H_
