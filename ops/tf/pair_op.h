// The base of the ops over neighbour pairs: their attributes and the shapes they share.
#ifndef DEEPATTN_OPS_TF_PAIR_OP_H_
#define DEEPATTN_OPS_TF_PAIR_OP_H_

#include "kernels/cpu/force.h"
#include "launch.h"

namespace deepattn {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

class PairOp : public tensorflow::OpKernel {
 public:
  explicit PairOp(OpKernelConstruction* context) : OpKernel(context) {
    int32_t n_r_sel;
    OP_REQUIRES_OK(context, context->GetAttr("n_a_sel", &nnei_));
    OP_REQUIRES_OK(context, context->GetAttr("n_r_sel", &n_r_sel));
    OP_REQUIRES(
        context, nnei_ >= 0 && n_r_sel == 0,
        tensorflow::errors::InvalidArgument(
            "n_a_sel must not be negative and n_r_sel must be 0, not ", nnei_, " and ", n_r_sel));
  }

 protected:
  absl::Status ReadPairs(const Tensor& natoms, const Tensor& net_deriv, const Tensor& in_deriv,
                         const Tensor& nlist, deepattn_pairs* pairs) const {
    AtomCounts counts;
    TF_RETURN_IF_ERROR(ReadCounts(natoms, &counts));
    TF_RETURN_IF_ERROR(RequireShape("net_deriv", net_deriv, {kAny, counts.nloc * nnei_ * 4}));
    const int64_t nframes = net_deriv.dim_size(0);
    TF_RETURN_IF_ERROR(RequireIndexable(nframes, counts.nloc, nnei_));
    TF_RETURN_IF_ERROR(RequireShape("in_deriv", in_deriv, {nframes, counts.nloc * nnei_ * 12}));
    TF_RETURN_IF_ERROR(RequireShape("nlist", nlist, {nframes, counts.nloc * nnei_}));
    *pairs = {nframes, counts.nloc, counts.nall, nnei_};
    return absl::OkStatus();
  }

  absl::Status RequireRij(const Tensor& rij, const deepattn_pairs& pairs) const {
    return RequireShape("rij", rij, {pairs.nframes, pairs.nloc * nnei_ * 3});
  }

 private:
  int32_t nnei_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PAIR_OP_H_
