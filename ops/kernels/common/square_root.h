// The square root of either precision, without the inline functions of the C++ library.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_SQUARE_ROOT_H_
#define DEEPATTN_OPS_KERNELS_COMMON_SQUARE_ROOT_H_

#include <math.h>

#include "kernels/common/both.h"

// Unnamed: what one file makes of them for its instruction set must not serve another.
namespace {

DEEPATTN_BOTH float SquareRoot(float x) { return sqrtf(x); }
DEEPATTN_BOTH double SquareRoot(double x) { return sqrt(x); }

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_COMMON_SQUARE_ROOT_H_
