// The environment matrix of DeepPot-SE (arXiv:1805.09003, eq. 5): its sizes, and where neighbors
// come from.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_ENV_MAT_H_
#define DEEPATTN_OPS_KERNELS_COMMON_ENV_MAT_H_

#include <stdint.h>

typedef struct {
  int64_t nframes;
  int64_t nloc;
  int64_t nall;
  int64_t nnei;  // slots per atom
  int32_t ntypes;
  float rcut;  // Å; float32 in either precision, as DeePMD's attributes are
  float rcut_smth;
  const int32_t* sel;  // slots per neighbor type [ntypes], or null: one block for all types
} deepattn_env_mat_shape;

enum { DEEPATTN_OPEN = 0, DEEPATTN_PERIODIC = 1, DEEPATTN_LISTED = 2 };

#endif  // DEEPATTN_OPS_KERNELS_COMMON_ENV_MAT_H_
