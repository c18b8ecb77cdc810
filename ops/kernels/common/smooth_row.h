// A row of the environment matrix, of the vector to one neighbor.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_SMOOTH_ROW_H_
#define DEEPATTN_OPS_KERNELS_COMMON_SMOOTH_ROW_H_

#include <cmath>

#include "kernels/common/both.h"

namespace deepattn {

// The row (1/r, d/r²)·sw [4] and its derivative with respect to the center [4][3].
template <typename T>
DEEPATTN_BOTH void SmoothRow(float rcut, float rcut_smth, const T* d, T* row, T* deriv) {
  const T lower = static_cast<T>(rcut_smth);
  const T width = static_cast<T>(rcut - rcut_smth);  // rounded to float32
  const T r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
  // Rounded as the stock op rounds: the direction of a row that has almost faded out amplifies
  // the last digit, and graphs must give the same numbers with either op.
  const T r = r2 * (T(1) / std::sqrt(r2));
  T sw = 1, dsw = 0;
  if (r >= static_cast<T>(rcut)) {
    sw = 0;
  } else if (r >= lower) {
    const T u = (r - lower) / width;
    const T poly = T(-6) * u * u + T(15) * u - T(10);
    sw = u * u * u * poly + T(1);
    dsw = (T(3) * u * u * poly + u * u * u * (T(-12) * u + T(15))) / width;
  }
  const T inverse = T(1) / r;
  const T inverse2 = inverse * inverse;
  row[0] = inverse * sw;
  for (int k = 0; k < 3; ++k) row[1 + k] = d[k] / r2 * sw;
  const T radial = sw * inverse2 * inverse - dsw * inverse2;
  // The last term of the angular rows, per d_a·d_k.
  const T outer = T(2) * sw * inverse2 * inverse2 - dsw * inverse2 * inverse;
  for (int k = 0; k < 3; ++k) {
    deriv[k] = radial * d[k];
    for (int a = 0; a < 3; ++a) deriv[3 * (1 + a) + k] = outer * d[a] * d[k];
    deriv[3 * (1 + k) + k] -= sw * inverse2;
  }
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_SMOOTH_ROW_H_
