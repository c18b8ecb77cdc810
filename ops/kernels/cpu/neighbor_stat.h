// How many neighbors atoms have, and how close the nearest is.
#ifndef DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_STAT_H_
#define DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_STAT_H_

#include "kernels/common/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// coord [nframes][nloc][3], atype [nframes][nloc] (negative: a virtual atom), box [nframes][9] (all
// zero: open boundaries) -> min_dist2 [nframes][nloc] (infinite without neighbors),
// count [nframes][nloc][ntypes]. A neighbor is what the environment matrix takes for one.
#define DEEPATTN_DECLARE_NEIGHBOR_STAT(T, suffix)                                                 \
  void deepattn_neighbor_stat_##suffix(int64_t nframes, int64_t nloc, int32_t ntypes, float rcut, \
                                       const T* coord, const int32_t* atype, const T* box,        \
                                       T* min_dist2, int32_t* count,                              \
                                       const deepattn_threads* threads, deepattn_status* status);

DEEPATTN_DECLARE_NEIGHBOR_STAT(float, f32)
DEEPATTN_DECLARE_NEIGHBOR_STAT(double, f64)
#undef DEEPATTN_DECLARE_NEIGHBOR_STAT

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_STAT_H_
