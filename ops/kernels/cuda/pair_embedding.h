// The pair embedding of DPA-1 on a GPU: the passes of the CPU's kernel,
// kernels/cpu/pair_embedding.h.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_H_

#include "kernels/common/pair_embedding.h"
#include "runtime.h"

extern "C" {

// The call and `grad_parameters` itself are on the host, all arrays on the device. `with_sums`
// tells whether the call will have `grad_parameters`; these depend on the device only through the
// number of its multiprocessors. `problem` may not be null; an index that is none is reported
// there, its row as an atom.
#define DEEPATTN_DECLARE_CUDA_PAIR_EMBEDDING(T, suffix)                                 \
  int64_t deepattn_cuda_pair_embedding_workspace_##suffix(                              \
      const deepattn_pair_embedding_shape* shape, int pass, int with_sums);             \
  void deepattn_cuda_pair_embedding_##suffix(                                           \
      const deepattn::EmbeddingCall<T>* call, int pass, deepattn_cuda_problem* problem, \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status);

DEEPATTN_DECLARE_CUDA_PAIR_EMBEDDING(float, f32)
DEEPATTN_DECLARE_CUDA_PAIR_EMBEDDING(double, f64)
#undef DEEPATTN_DECLARE_CUDA_PAIR_EMBEDDING

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_H_
