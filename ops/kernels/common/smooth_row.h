// A row of the environment matrix, of the vector to one neighbor.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_SMOOTH_ROW_H_
#define DEEPATTN_OPS_KERNELS_COMMON_SMOOTH_ROW_H_

#include "kernels/common/both.h"
#include "kernels/common/square_root.h"

namespace deepattn {

// Unnamed: what one file makes of them for its instruction set must not serve another.
namespace {

// The last factor of the quintic switch 1 + u³ (−6 u² + 15 u − 10), which falls from 1 to 0.
template <typename T>
DEEPATTN_BOTH T SwitchFactor(T u) {
  return T(-6) * u * u + T(15) * u - T(10);
}

template <typename T>
DEEPATTN_BOTH T QuinticSwitch(T u) {
  return u * u * u * SwitchFactor(u) + T(1);
}

// The row (1/r, d/r²)·sw of a vector d, and what its derivative with respect to the center is made
// of: of the first number radial·d, of number 1 + a outer·d_a·d, less `diagonal` in component a.
template <typename T>
struct SmoothFactors {
  T row[4];
  T radial;
  T outer;
  T diagonal;
};

template <typename T>
DEEPATTN_BOTH SmoothFactors<T> SmoothFactorsOf(float rcut, float rcut_smth, const T* d) {
  const T lower = static_cast<T>(rcut_smth);
  const T width = static_cast<T>(rcut - rcut_smth);  // rounded to float32
  const T r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
  // Rounded as the stock op rounds: the direction of a row that has almost faded out amplifies
  // the last digit, and graphs must give the same numbers with either op.
  const T r = r2 * (T(1) / SquareRoot(r2));
  T sw = 1, dsw = 0;
  if (r >= static_cast<T>(rcut)) {
    sw = 0;
  } else if (r >= lower) {
    const T u = (r - lower) / width;
    const T poly = SwitchFactor(u);
    sw = QuinticSwitch(u);
    dsw = (T(3) * u * u * poly + u * u * u * (T(-12) * u + T(15))) / width;
  }
  const T inverse = T(1) / r;
  const T inverse2 = inverse * inverse;
  SmoothFactors<T> factors;
  factors.row[0] = inverse * sw;
  for (int k = 0; k < 3; ++k) factors.row[1 + k] = d[k] / r2 * sw;
  factors.radial = sw * inverse2 * inverse - dsw * inverse2;
  factors.outer = T(2) * sw * inverse2 * inverse2 - dsw * inverse2 * inverse;
  factors.diagonal = sw * inverse2;
  return factors;
}

// The row [4] and its derivative [4][3].
template <typename T>
DEEPATTN_BOTH void SmoothRow(float rcut, float rcut_smth, const T* d, T* row, T* deriv) {
  const SmoothFactors<T> factors = SmoothFactorsOf(rcut, rcut_smth, d);
  for (int a = 0; a < 4; ++a) row[a] = factors.row[a];
  for (int k = 0; k < 3; ++k) {
    deriv[k] = factors.radial * d[k];
    for (int a = 0; a < 3; ++a) deriv[3 * (1 + a) + k] = factors.outer * d[a] * d[k];
    deriv[3 * (1 + k) + k] -= factors.diagonal;
  }
}

// The derivative of a function of the row, of which by_row [4] is the derivative by the row.
template <typename T>
DEEPATTN_BOTH void ThroughRow(const SmoothFactors<T>& factors, const T* d, const T* by_row, T* t) {
  const T along = by_row[1] * d[0] + by_row[2] * d[1] + by_row[3] * d[2];
  const T scale = factors.radial * by_row[0] + factors.outer * along;
  for (int k = 0; k < 3; ++k) t[k] = scale * d[k] - factors.diagonal * by_row[1 + k];
}

}  // namespace
}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_SMOOTH_ROW_H_
