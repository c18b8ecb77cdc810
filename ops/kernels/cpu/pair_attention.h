// The passes of the attention of pairs (kernels/common/pair_attention.h) on the CPU.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_H_

#include "kernels/common/pair_attention.h"
#include "kernels/common/runtime.h"

extern "C" {

void deepattn_pair_attention_f32(const deepattn::PairAttentionCall<float>* call, int pass,
                                 const deepattn_threads* threads, deepattn_status* status);
void deepattn_pair_attention_f64(const deepattn::PairAttentionCall<double>* call, int pass,
                                 const deepattn_threads* threads, deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_H_
