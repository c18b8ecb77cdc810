// The embedding of compressed models, as kernels/cpu/tabulated.h has it, on a device.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_H_

#include "kernels/cpu/tabulated.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// The call is as on the CPU, with `range` in the host's memory; so is the order. Besides them the
// gradient by `grad` of Σ bar · gradient over all outputs of a pass of order 1, into `out`, which
// has the shape of `grad`. Bars of outputs that there are not are null.
#define DEEPATTN_DECLARE_CUDA_TABULATED(T, suffix)                                                \
  typedef struct {                                                                                \
    const T* rows;    /* [natoms][nnei] */                                                        \
    const T* matrix;  /* [natoms][nnei][4] */                                                     \
    const T* weight;  /* [natoms][nnei] */                                                        \
    const T* factors; /* [natoms][nnei][width] */                                                 \
  } deepattn_cuda_tabulated_bars_##suffix;                                                        \
  void deepattn_cuda_tabulated_##suffix(const deepattn_tabulated_call_##suffix* call, int order,  \
                                        deepattn_cuda_problem* problem, void* stream,             \
                                        deepattn_status* status);                                 \
  void deepattn_cuda_tabulated_second_##suffix(const deepattn_tabulated_call_##suffix* call,      \
                                               const deepattn_cuda_tabulated_bars_##suffix* bars, \
                                               deepattn_cuda_problem* problem, void* stream,      \
                                               deepattn_status* status);

DEEPATTN_DECLARE_CUDA_TABULATED(float, f32)
DEEPATTN_DECLARE_CUDA_TABULATED(double, f64)
#undef DEEPATTN_DECLARE_CUDA_TABULATED

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_H_
