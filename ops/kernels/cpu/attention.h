// The passes of gated attention (kernels/common/attention.h) on the CPU.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_H_

#include "kernels/common/attention.h"
#include "kernels/common/runtime.h"

extern "C" {

// How many numbers `saved` and `saved_tangents` have, from shape and counts alone; counts that no
// slots fit are reported by the passes.
#define DEEPATTN_DECLARE_ATTENTION(T, suffix)                                                 \
  int64_t deepattn_attention_saved_##suffix(const deepattn::AttentionCall<T>* call);          \
  int64_t deepattn_attention_saved_tangents_##suffix(const deepattn::AttentionCall<T>* call); \
  void deepattn_attention_##suffix(const deepattn::AttentionCall<T>* call, int pass,          \
                                   const deepattn_threads* threads, deepattn_status* status);

DEEPATTN_DECLARE_ATTENTION(float, f32)
DEEPATTN_DECLARE_ATTENTION(double, f64)
#undef DEEPATTN_DECLARE_ATTENTION

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_H_
