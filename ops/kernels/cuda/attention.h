// Gated self-attention over the neighbors of an atom on a GPU: the passes of the CPU's kernel,
// kernels/cpu/attention.h, with its structures.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_H_

#include "kernels/cpu/attention.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// All arrays of a call are on the device; `sums` itself, the structure, is on the host. `kept` and
// `state` have as many numbers as the first two functions tell, whatever the counts, and are of the
// same precision and shape in all passes. `with_sums` tells whether the call will have `sums`;
// these depend on the device only through the number of its multiprocessors. `problem` may not be
// null; a count outside [0, nnei] is reported there, and the nearest inside is used.
#define DEEPATTN_DECLARE_CUDA_ATTENTION(suffix)                                               \
  int64_t deepattn_cuda_attention_kept_##suffix(const deepattn_attention_shape* shape);       \
  int64_t deepattn_cuda_attention_state_##suffix(const deepattn_attention_shape* shape);      \
  int64_t deepattn_cuda_attention_workspace_##suffix(const deepattn_attention_shape* shape,   \
                                                     int pass, int with_sums);                \
  void deepattn_cuda_attention_##suffix(                                                      \
      const deepattn_attention_call_##suffix* call, int pass, deepattn_cuda_problem* problem, \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status);

DEEPATTN_DECLARE_CUDA_ATTENTION(f32)
DEEPATTN_DECLARE_CUDA_ATTENTION(f64)
#undef DEEPATTN_DECLARE_CUDA_ATTENTION

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_H_
