// The neighbor pairs of a batch of frames, over which forces and virials are summed.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_PAIRS_H_
#define DEEPATTN_OPS_KERNELS_COMMON_PAIRS_H_

#include <stdint.h>

// nlist [nframes][nloc][nnei]: below nall, negative for padding.
typedef struct {
  int64_t nframes;
  int64_t nloc;
  int64_t nall;
  int64_t nnei;
} deepattn_pairs;

#endif  // DEEPATTN_OPS_KERNELS_COMMON_PAIRS_H_
