// What each instruction set offers to the driver, `attention.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_KERNELS_H_

#include "kernels/common/attention.h"
#include "kernels/cpu/instruction_set.h"

namespace deepattn {

template <typename T>
struct PackedAttentionCall : AttentionCall<T> {
  const T* packed;              // parameters as the passes want them
  const int64_t* saved_offset;  // of each atom
  const int64_t* saved_tangents_offset;
};

// Sizes are in elements; buffers are aligned to 64 bytes.
template <typename T>
struct AttentionKernels {
  int64_t (*packed_size)(const deepattn_attention_shape* shape);
  void (*pack)(const AttentionCall<T>* call, T* packed);
  int64_t (*scratch_size)(const deepattn_attention_shape* shape, int pass);
  // Of an atom with that count.
  int64_t (*saved_size)(const deepattn_attention_shape* shape, int64_t count);
  int64_t (*saved_tangents_size)(const deepattn_attention_shape* shape, int64_t count);
  // Does one atom. Gradients by parameters are added to `sums` unless that is null.
  void (*pass[kPasses])(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T* sums);
  int64_t (*sums_size)(const deepattn_attention_shape* shape);
  // Adds up `number` arrays of sums, in order, and writes the gradients out.
  void (*write_sums)(const deepattn_attention_shape* shape, const T* sums, int64_t number,
                     const AttentionParameters<T>* out);
};

using AttentionTable = KernelTable<AttentionKernels>;

extern const AttentionTable kAttentionGeneric;
#if defined(__x86_64__)
extern const AttentionTable kAttentionAvx2;
extern const AttentionTable kAttentionAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_KERNELS_H_
