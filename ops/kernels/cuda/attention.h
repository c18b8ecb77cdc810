// Gated self-attention over the neighbors of an atom on a GPU: the passes of the CPU's kernel,
// kernels/cpu/attention.h.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_H_

#include "kernels/common/attention.h"
#include "runtime.h"

extern "C" {

// All arrays of a call are on the device; `grad_parameters` itself, the structure, is on the host.
// `saved` and `saved_tangents` have as many numbers as the first two functions tell, whatever the
// counts, and are of the same precision and shape in all passes. `with_sums` tells whether the call
// will have `grad_parameters`; these depend on the device only through the number of its
// multiprocessors. `problem` may not be null; a count outside [0, nnei] is reported there, and the
// nearest inside is used.
#define DEEPATTN_DECLARE_CUDA_ATTENTION(T, suffix)                                                \
  int64_t deepattn_cuda_attention_saved_##suffix(const deepattn_attention_shape* shape);          \
  int64_t deepattn_cuda_attention_saved_tangents_##suffix(const deepattn_attention_shape* shape); \
  int64_t deepattn_cuda_attention_workspace_##suffix(const deepattn_attention_shape* shape,       \
                                                     int pass, int with_sums);                    \
  void deepattn_cuda_attention_##suffix(                                                          \
      const deepattn::AttentionCall<T>* call, int pass, deepattn_cuda_problem* problem,           \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status);

DEEPATTN_DECLARE_CUDA_ATTENTION(float, f32)
DEEPATTN_DECLARE_CUDA_ATTENTION(double, f64)
#undef DEEPATTN_DECLARE_CUDA_ATTENTION

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_H_
