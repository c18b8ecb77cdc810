// What the ops share: translation of a status, checks of shapes, and threads.h.
#ifndef DEEPATTN_OPS_TF_LAUNCH_H_
#define DEEPATTN_OPS_TF_LAUNCH_H_

#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "kernels/common/runtime.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/tensor_shape.h"
#include "tensorflow/core/platform/errors.h"
#include "threads.h"

namespace deepattn {

// Of a kernel's two precisions the one of T.
template <typename T, typename Float, typename Double>
constexpr auto Pick(Float* float_kernel, Double* double_kernel) {
  if constexpr (std::is_same_v<T, float>) {
    return float_kernel;
  } else {
    return double_kernel;
  }
}

// Likewise of a kernel that also has the precisions F of coordinates and T of nets.
template <typename F, typename T, typename Float, typename Double, typename Mixed>
constexpr auto Pick(Float* float_kernel, Double* double_kernel, Mixed* mixed_kernel) {
  if constexpr (std::is_same_v<F, T>) {
    return Pick<F>(float_kernel, double_kernel);
  } else {
    static_assert(std::is_same_v<F, double> && std::is_same_v<T, float>);
    return mixed_kernel;
  }
}

inline absl::Status ToStatus(const deepattn_status& status) {
  switch (status.code) {
    case DEEPATTN_OK:
      return absl::OkStatus();
    case DEEPATTN_OUT_OF_MEMORY:
      return absl::ResourceExhaustedError(status.message);
    case DEEPATTN_DEVICE_ERROR:
      return absl::InternalError(status.message);
    default:
      return absl::InvalidArgumentError(status.message);
  }
}

// An unknown size in RequireShape.
constexpr int64_t kAny = -1;

// Fails with a sentence naming the tensor unless its shape is `expected`.
inline absl::Status RequireShape(const char* name, const tensorflow::Tensor& tensor,
                                 const std::vector<int64_t>& expected) {
  bool fits = tensor.dims() == static_cast<int>(expected.size());
  std::string wanted;
  for (size_t d = 0; d < expected.size(); ++d) {
    fits = fits && (expected[d] == kAny || tensor.dim_size(static_cast<int>(d)) == expected[d]);
    wanted += (d == 0 ? "" : ", ") + (expected[d] == kAny ? "?" : std::to_string(expected[d]));
  }
  if (fits) return absl::OkStatus();
  return tensorflow::errors::InvalidArgument(name, " must have the shape [", wanted, "], not ",
                                             tensor.shape().DebugString());
}

struct AtomCounts {
  int64_t nloc;
  int64_t nall;
  int32_t ntypes;
};

// Reads natoms = [nloc, nall, one count per type].
inline absl::Status ReadCounts(const tensorflow::Tensor& natoms, AtomCounts* counts) {
  if (natoms.dims() != 1 || natoms.dim_size(0) < 3) {
    return tensorflow::errors::InvalidArgument(
        "natoms must be a vector [nloc, nall, one count per type], not of shape ",
        natoms.shape().DebugString());
  }
  const auto values = natoms.vec<int32_t>();
  *counts = {values(0), values(1), static_cast<int32_t>(natoms.dim_size(0) - 2)};
  if (counts->nloc < 0 || counts->nall < counts->nloc) {
    return tensorflow::errors::InvalidArgument("natoms must have 0 <= nloc <= nall, not nloc = ",
                                               counts->nloc, " and nall = ", counts->nall);
  }
  return absl::OkStatus();
}

// Fails unless nframes · nloc · nnei · 12, the largest tensor here, can be indexed.
inline absl::Status RequireIndexable(int64_t nframes, int64_t nloc, int64_t nnei) {
  int64_t size = 12;
  if (__builtin_mul_overflow(size, nframes, &size) || __builtin_mul_overflow(size, nloc, &size) ||
      __builtin_mul_overflow(size, nnei, &size) || size > std::numeric_limits<int64_t>::max() / 8) {
    return tensorflow::errors::InvalidArgument("too many neighbor slots: ", nframes, " frames of ",
                                               nloc, " atoms with ", nnei, " slots each");
  }
  return absl::OkStatus();
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_LAUNCH_H_
