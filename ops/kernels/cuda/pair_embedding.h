// The pair embedding of DPA-1 on a GPU: the passes of the CPU's kernel,
// kernels/cpu/pair_embedding.h, with its structures.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_H_

#include "kernels/cpu/pair_embedding.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// The call and `sums` itself are on the host, all arrays on the device. `with_sums` tells whether
// the call will have `sums`; these depend on the device only through the number of its
// multiprocessors. `problem` may not be null; an index that is none is reported there,
// its row as an atom.
#define DEEPATTN_DECLARE_CUDA_PAIR_EMBEDDING(suffix)                                            \
  int64_t deepattn_cuda_pair_embedding_workspace_##suffix(                                      \
      const deepattn_pair_embedding_shape* shape, int order, int with_sums);                    \
  void deepattn_cuda_pair_embedding_##suffix(const deepattn_pair_embedding_call_##suffix* call, \
                                             int order, deepattn_cuda_problem* problem,         \
                                             void* workspace, int64_t workspace_bytes,          \
                                             void* stream, deepattn_status* status);

DEEPATTN_DECLARE_CUDA_PAIR_EMBEDDING(f32)
DEEPATTN_DECLARE_CUDA_PAIR_EMBEDDING(f64)
#undef DEEPATTN_DECLARE_CUDA_PAIR_EMBEDDING

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_H_
