// For x86 processors with AVX-512 (F, DQ, VL): 32 registers of 64 bytes.
#if defined(__x86_64__)

#define DEEPATTN_VECTOR_BYTES 64
#define DEEPATTN_TILE_ROWS 8

#include "table.h"

namespace deepattn {

const ProductTable kProductAvx512 = {kKernels<float>, kKernels<double>};

}  // namespace deepattn

#endif
