// The distance by which neighbors are selected.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_SELECTION_DISTANCE_H_
#define DEEPATTN_OPS_KERNELS_COMMON_SELECTION_DISTANCE_H_

#include "kernels/common/both.h"

namespace deepattn {

// Unnamed: what one file makes of it for its instruction set must not serve another.
namespace {

// Squared distance in float32 from float32-rounded coordinates, summed left to right: the figure
// DeePMD's selection sorts and cuts by, in either precision.
template <typename T>
DEEPATTN_BOTH float SelectionDistance(const T* from, const T* to) {
  const float x = static_cast<float>(to[0]) - static_cast<float>(from[0]);
  const float y = static_cast<float>(to[1]) - static_cast<float>(from[1]);
  const float z = static_cast<float>(to[2]) - static_cast<float>(from[2]);
  return x * x + y * y + z * z;
}

}  // namespace
}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_SELECTION_DISTANCE_H_
