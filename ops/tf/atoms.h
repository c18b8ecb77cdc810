// The inputs of an environment matrix: atoms, and statistics by the type of the center.
#ifndef DEEPATTN_OPS_TF_ATOMS_H_
#define DEEPATTN_OPS_TF_ATOMS_H_

#include "launch.h"

namespace deepattn {

// Fails unless the shapes of coord, type, box, davg and dstd fit one another and `nnei` slots.
inline absl::Status RequireAtoms(const tensorflow::Tensor& coord, const tensorflow::Tensor& type,
                                 const tensorflow::Tensor& box, const tensorflow::Tensor& davg,
                                 const tensorflow::Tensor& dstd, const AtomCounts& counts,
                                 int64_t nnei) {
  TF_RETURN_IF_ERROR(RequireShape("coord", coord, {kAny, 3 * counts.nall}));
  const int64_t nframes = coord.dim_size(0);
  TF_RETURN_IF_ERROR(RequireShape("type", type, {nframes, counts.nall}));
  TF_RETURN_IF_ERROR(RequireShape("box", box, {nframes, 9}));
  TF_RETURN_IF_ERROR(RequireShape("davg", davg, {counts.ntypes, 4 * nnei}));
  TF_RETURN_IF_ERROR(RequireShape("dstd", dstd, {counts.ntypes, 4 * nnei}));
  return RequireIndexable(nframes, counts.nloc, nnei);
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_ATOMS_H_
