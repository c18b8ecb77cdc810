// What each instruction set offers to the driver, `pair_attention.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_KERNELS_H_

#include "kernels/common/pair_attention.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/three_passes.h"

namespace deepattn {

template <typename T>
using PackedPairAttentionCall = PackedCall<PairAttentionCall<T>, T>;

template <typename T>
using PairAttentionKernels = ThreePassKernels<T, deepattn_pair_attention_shape,
                                              PairAttentionCall<T>, PairAttentionParameters<T>>;

using PairAttentionTable = KernelTable<PairAttentionKernels>;

extern const PairAttentionTable kPairAttentionGeneric;
#if defined(__x86_64__)
extern const PairAttentionTable kPairAttentionAvx2;
extern const PairAttentionTable kPairAttentionAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_KERNELS_H_
