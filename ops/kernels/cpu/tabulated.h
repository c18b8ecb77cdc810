// The passes over tables of embeddings (kernels/common/tabulated.h) on the CPU.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_H_

#include "kernels/common/runtime.h"
#include "kernels/common/tabulated.h"

extern "C" {

void deepattn_tabulated_f32(const deepattn::TabulatedCall<float>* call, int pass,
                            const deepattn_threads* threads, deepattn_status* status);
void deepattn_tabulated_f64(const deepattn::TabulatedCall<double>* call, int pass,
                            const deepattn_threads* threads, deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_H_
