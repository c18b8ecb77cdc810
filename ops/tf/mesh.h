// The `mesh` input of DeePMD's environment matrices: its length says where neighbors come from.
#ifndef DEEPATTN_OPS_TF_MESH_H_
#define DEEPATTN_OPS_TF_MESH_H_

#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "kernels/cpu/env_mat.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/platform/errors.h"

namespace deepattn {

// Keeps the rows of an inline list alive as long as `source` is in use.
struct Mesh {
  deepattn_neighbor_source source = {DEEPATTN_OPEN, nullptr, nullptr, nullptr};
  std::vector<const int32_t*> rows;
};

// Lengths 0 and 1: open boundaries; 6 and 7: periodic; 16: host addresses of a neighbor list;
// more: 16 numbers, then ilist[nloc], numneigh[nloc] and all neighbors.
inline absl::Status ReadMesh(const tensorflow::Tensor& tensor, int64_t nloc, int64_t nall,
                             Mesh* mesh) {
  using tensorflow::errors::InvalidArgument;
  if (tensor.dims() != 1) {
    return InvalidArgument("mesh must be a vector, not of shape ", tensor.shape().DebugString());
  }
  const int64_t length = tensor.dim_size(0);
  const int32_t* data = tensor.flat<int32_t>().data();
  if (length == 0 || length == 1 || length == 6 || length == 7) {
    if (nall != nloc) {
      return InvalidArgument("a mesh of length ", length, " needs nall == nloc, not nloc = ", nloc,
                             " and nall = ", nall);
    }
    mesh->source.kind = length < 2 ? DEEPATTN_OPEN : DEEPATTN_PERIODIC;
    return absl::OkStatus();
  }
  mesh->source.kind = DEEPATTN_LISTED;
  if (length < 16) {
    return InvalidArgument("invalid mesh: its length must be 0, 1, 6, 7, 16 or more, not ", length);
  }
  if (length == 16) {
    if (data[1] < nloc) {
      return InvalidArgument("mesh points at a neighbor list of ", data[1], " rows for ", nloc,
                             " local atoms");
    }
    std::memcpy(&mesh->source.ilist, data + 4, sizeof(void*));
    std::memcpy(&mesh->source.numneigh, data + 8, sizeof(void*));
    std::memcpy(&mesh->source.firstneigh, data + 12, sizeof(void*));
    if (nloc > 0 && (mesh->source.ilist == nullptr || mesh->source.numneigh == nullptr ||
                     mesh->source.firstneigh == nullptr)) {
      return InvalidArgument("mesh holds a null address");
    }
    return absl::OkStatus();
  }
  int64_t wanted = 16 + 2 * nloc;
  if (length < wanted) {
    return InvalidArgument("mesh of length ", length, " has no room for the neighbor counts of ",
                           nloc, " local atoms");
  }
  mesh->source.ilist = data + 16;
  mesh->source.numneigh = data + 16 + nloc;
  mesh->rows.resize(nloc);
  for (int64_t row = 0; row < nloc; ++row) {
    mesh->rows[row] = data + std::min(wanted, length);
    wanted += std::max(mesh->source.numneigh[row], 0);  // the kernel refuses negative counts
  }
  if (length != wanted) {
    return InvalidArgument("mesh has length ", length, ", but its neighbor counts need ", wanted);
  }
  mesh->source.firstneigh = mesh->rows.data();
  return absl::OkStatus();
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_MESH_H_
