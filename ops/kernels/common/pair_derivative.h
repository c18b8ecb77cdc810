// The derivative of the energy along one pair, from which forces and virials are made.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_PAIR_DERIVATIVE_H_
#define DEEPATTN_OPS_KERNELS_COMMON_PAIR_DERIVATIVE_H_

#include "kernels/common/both.h"

namespace deepattn {

// t_d = Σ_a net_deriv_a · in_deriv_a,d.
template <typename T>
DEEPATTN_BOTH void PairDerivative(const T* net_deriv, const T* in_deriv, T* t) {
  for (int k = 0; k < 3; ++k) {
    t[k] = net_deriv[0] * in_deriv[k] + net_deriv[1] * in_deriv[3 + k] +
           net_deriv[2] * in_deriv[6 + k] + net_deriv[3] * in_deriv[9 + k];
  }
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_PAIR_DERIVATIVE_H_
