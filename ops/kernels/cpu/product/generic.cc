// For any processor: vectors of 16 bytes, which the compiler splits where there are none.
#define DEEPATTN_VECTOR_BYTES 16
#define DEEPATTN_TILE_ROWS 4

#include "table.h"

namespace deepattn {

const ProductTable kProductGeneric = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
