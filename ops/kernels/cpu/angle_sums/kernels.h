// The tables of all instruction sets.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_KERNELS_H_

#include "kernels/cpu/embedded_sums/kernels.h"

namespace deepattn {

extern const EmbeddedSumsTable kAngleSumsGeneric;
#if defined(__x86_64__)
extern const EmbeddedSumsTable kAngleSumsAvx2;
extern const EmbeddedSumsTable kAngleSumsAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_KERNELS_H_
