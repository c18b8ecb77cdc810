// The environment matrix of DeepPot-SE (arXiv:1805.09003, eq. 5) with its derivative.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ENV_MAT_H_
#define DEEPATTN_OPS_KERNELS_CPU_ENV_MAT_H_

#include "kernels/common/env_mat.h"
#include "kernels/common/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// Where neighbors come from. The lists belong to DEEPATTN_LISTED alone: row r holds numneigh[r]
// indices below nall for the center ilist[r], a permutation of 0 … nloc-1.
typedef struct {
  int kind;
  const int32_t* ilist;
  const int32_t* numneigh;
  const int32_t* const* firstneigh;
} deepattn_neighbor_source;

// coord [nframes][nall][3], atype [nframes][nall] (negative: a virtual atom), box [nframes][9],
// davg and dstd [ntypes][nnei][4]. Outputs: descrpt [nframes][nloc][nnei][4], deriv […][4][3]
// (derivative with respect to the center), rij […][3], nlist […] (-1: padding), and unless null
// ntype […] (ntypes: padding) and nmask […] (1: a neighbor).
#define DEEPATTN_DECLARE_ENV_MAT(T, suffix)                                                        \
  void deepattn_env_mat_##suffix(                                                                  \
      const deepattn_env_mat_shape* shape, const deepattn_neighbor_source* source, const T* coord, \
      const int32_t* atype, const T* box, const T* davg, const T* dstd, T* descrpt, T* deriv,      \
      T* rij, int32_t* nlist, int32_t* ntype, uint8_t* nmask, const deepattn_threads* threads,     \
      deepattn_status* status);

DEEPATTN_DECLARE_ENV_MAT(float, f32)
DEEPATTN_DECLARE_ENV_MAT(double, f64)
#undef DEEPATTN_DECLARE_ENV_MAT

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_ENV_MAT_H_
