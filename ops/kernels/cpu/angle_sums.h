// The passes of sums over angles (kernels/common/angle_sums.h) on the CPU.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_H_
#define DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_H_

#include "kernels/common/angle_sums.h"
#include "kernels/common/runtime.h"

extern "C" {

void deepattn_angle_sums_f32(const deepattn::AngleSumsCall<float>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status);
void deepattn_angle_sums_f64(const deepattn::AngleSumsCall<double>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_H_
