// The passes of the pair embedding (kernels/common/pair_embedding.h) on the CPU.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_H_

#include "kernels/common/pair_embedding.h"
#include "kernels/common/runtime.h"

extern "C" {

void deepattn_pair_embedding_f32(const deepattn::EmbeddingCall<float>* call, int pass,
                                 const deepattn_threads* threads, deepattn_status* status);
void deepattn_pair_embedding_f64(const deepattn::EmbeddingCall<double>* call, int pass,
                                 const deepattn_threads* threads, deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_H_
