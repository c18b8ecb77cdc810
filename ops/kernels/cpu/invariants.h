// The passes of invariants (kernels/common/invariants.h) on the CPU.
#ifndef DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_H_
#define DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_H_

#include "kernels/common/invariants.h"
#include "kernels/common/runtime.h"

extern "C" {

void deepattn_invariants_f32(const deepattn::InvariantsCall<float>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status);
void deepattn_invariants_f64(const deepattn::InvariantsCall<double>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_INVARIANTS_H_
