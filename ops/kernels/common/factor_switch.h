// What scales the factors of a pair of types: a function of the first entry of its row.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_FACTOR_SWITCH_H_
#define DEEPATTN_OPS_KERNELS_COMMON_FACTOR_SWITCH_H_

#include "kernels/common/smooth_row.h"

// Nothing, the TensorFlow backend's switch, which is 1 - (1 - rcut_smth·s)³ of the inverse distance
// s, or the switch of the environment matrix.
enum { DEEPATTN_NO_SWITCH, DEEPATTN_SWITCH_OF_INVERSE, DEEPATTN_SWITCH_OF_DISTANCE };

namespace deepattn {
namespace {

template <typename F>
DEEPATTN_BOTH F Unit(F x) {
  return x < 0 ? F(0) : x > 1 ? F(1) : x;
}

// The weight of a pair whose inverse distance is s, and its derivative by s. `range`: where the
// switch begins and ends, Å; `d`: the vector of the pair, for the switch of the distance.
template <typename F>
DEEPATTN_BOTH void FactorSwitch(int kind, const F* range, F s, const F* d, F* weight, F* slope) {
  *weight = 1;
  *slope = 0;
  if (kind == DEEPATTN_NO_SWITCH) return;
  const F begin = range[0], end = range[1];
  if (kind == DEEPATTN_SWITCH_OF_INVERSE) {
    const F u = F(1) - begin * s, value = F(1) - u * u * u;
    *weight = Unit(value);
    if (value >= 0 && value <= 1) *slope = F(3) * u * u * begin;
    return;
  }
  const F r = SquareRoot(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  const F u = Unit((r - begin) / (end - begin));
  *weight = QuinticSwitch(u);
  const F by_distance = F(-30) * (u * (F(1) - u)) * (u * (F(1) - u)) / (end - begin);
  const F s_by_distance = by_distance * r - *weight;  // times r²
  if (s_by_distance != 0) *slope = by_distance * r * r / s_by_distance;
}

}  // namespace
}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_FACTOR_SWITCH_H_
