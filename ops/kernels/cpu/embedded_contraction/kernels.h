// The tables of all instruction sets.
#ifndef DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_KERNELS_H_

#include "kernels/cpu/embedded_sums/kernels.h"

namespace deepattn {

// A unit is that many atoms, whose rows fill blocks nearly.
constexpr int64_t kAtomsAtOnce = 4;

extern const EmbeddedSumsTable kEmbeddedContractionGeneric;
#if defined(__x86_64__)
extern const EmbeddedSumsTable kEmbeddedContractionAvx2;
extern const EmbeddedSumsTable kEmbeddedContractionAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_KERNELS_H_
