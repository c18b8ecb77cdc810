// The passes of sums of an embedding (kernels/common/embedded_sums.h) on the CPU.
#ifndef DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_SUMS_H_
#define DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_SUMS_H_

#include "kernels/common/embedded_sums.h"
#include "kernels/common/runtime.h"

extern "C" {

void deepattn_angle_sums_f32(const deepattn::EmbeddedSumsCall<float>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status);
void deepattn_angle_sums_f64(const deepattn::EmbeddedSumsCall<double>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status);

void deepattn_embedded_contraction_f32(const deepattn::EmbeddedSumsCall<float>* call, int pass,
                                       const deepattn_threads* threads, deepattn_status* status);
void deepattn_embedded_contraction_f64(const deepattn::EmbeddedSumsCall<double>* call, int pass,
                                       const deepattn_threads* threads, deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_SUMS_H_
