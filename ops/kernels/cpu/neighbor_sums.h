// The passes of sums over neighbors (kernels/common/neighbor_sums.h) on the CPU.
#ifndef DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_H_
#define DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_H_

#include "kernels/common/neighbor_sums.h"
#include "kernels/common/runtime.h"

extern "C" {

void deepattn_neighbor_sums_f32(const deepattn::NeighborSumsCall<float>* call, int pass,
                                const deepattn_threads* threads, deepattn_status* status);
void deepattn_neighbor_sums_f64(const deepattn::NeighborSumsCall<double>* call, int pass,
                                const deepattn_threads* threads, deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_H_
