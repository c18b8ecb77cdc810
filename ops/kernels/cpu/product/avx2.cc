// For x86 processors with AVX2 and FMA: 16 registers of 32 bytes.
#if defined(__x86_64__)

#define DEEPATTN_VECTOR_BYTES 32
#define DEEPATTN_TILE_ROWS 4

#include "table.h"

namespace deepattn {

const ProductTable kProductAvx2 = {kKernels<float>, kKernels<double>};

}  // namespace deepattn

#endif
