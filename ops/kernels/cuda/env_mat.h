// The environment matrix with its derivative, as kernels/cpu/env_mat.h has it, on a device.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ENV_MAT_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ENV_MAT_H_

#include "kernels/common/env_mat.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// As deepattn_neighbor_source, with all rows of the list in one array in device memory.
typedef struct {
  int kind;
  const int32_t* ilist;     // [nloc]
  const int32_t* numneigh;  // [nloc]
  const int64_t* first;     // [nloc]: where the entries of each row begin
  const int32_t* entries;
} deepattn_cuda_neighbors;

// Arguments as on the CPU; `sel` of the shape is in the host's memory. `problem` may not be null.
// davg, dstd, descrpt and deriv may be null together: then only neighbors and vectors are found,
// and where rows would not be numbers for a list, a frame or a box, the vectors are not.
#define DEEPATTN_DECLARE_CUDA_ENV_MAT(T, suffix)                                                   \
  int64_t deepattn_cuda_env_mat_workspace_##suffix(const deepattn_env_mat_shape* shape, int kind); \
  void deepattn_cuda_env_mat_##suffix(                                                             \
      const deepattn_env_mat_shape* shape, const deepattn_cuda_neighbors* source, const T* coord,  \
      const int32_t* atype, const T* box, const T* davg, const T* dstd, T* descrpt, T* deriv,      \
      T* rij, int32_t* nlist, int32_t* ntype, uint8_t* nmask, deepattn_cuda_problem* problem,      \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status);

DEEPATTN_DECLARE_CUDA_ENV_MAT(float, f32)
DEEPATTN_DECLARE_CUDA_ENV_MAT(double, f64)
#undef DEEPATTN_DECLARE_CUDA_ENV_MAT

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ENV_MAT_H_
