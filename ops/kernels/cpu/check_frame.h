// The check of coordinates and types that every kernel taking atoms begins with.
#ifndef DEEPATTN_OPS_KERNELS_CPU_CHECK_FRAME_H_
#define DEEPATTN_OPS_KERNELS_CPU_CHECK_FRAME_H_

#include <cmath>
#include <cstdint>

#include "parallel.h"

namespace deepattn {

// Reports at position `frame` and returns false unless coordinates are finite and types < ntypes.
template <typename T>
bool CheckFrame(int64_t frame, int64_t natoms, int32_t ntypes, const T* coord, const int32_t* atype,
                FirstError* error) {
  for (int64_t i = 0; i < natoms; ++i) {
    const T* r = coord + 3 * i;
    if (!std::isfinite(r[0]) || !std::isfinite(r[1]) || !std::isfinite(r[2])) {
      error->Report(frame, DEEPATTN_INVALID_ARGUMENT,
                    "frame %lld: the coordinates of atom %lld are not finite (%g, %g, %g)",
                    static_cast<long long>(frame), static_cast<long long>(i),
                    static_cast<double>(r[0]), static_cast<double>(r[1]),
                    static_cast<double>(r[2]));
      return false;
    }
    if (atype[i] >= ntypes) {
      error->Report(frame, DEEPATTN_INVALID_ARGUMENT,
                    "frame %lld: atom %lld has type %d, but there are only %d types",
                    static_cast<long long>(frame), static_cast<long long>(i), atype[i], ntypes);
      return false;
    }
  }
  return true;
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_CHECK_FRAME_H_
