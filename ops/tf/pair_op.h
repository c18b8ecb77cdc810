// The base of the ops over neighbor pairs: their attributes and the shapes they share.
#ifndef DEEPATTN_OPS_TF_PAIR_OP_H_
#define DEEPATTN_OPS_TF_PAIR_OP_H_

#include "kernels/cpu/force.h"
#include "launch.h"

namespace deepattn {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// The tensors that all these ops read; rij only where an op has it.
template <typename T>
struct PairInputs {
  deepattn_pairs pairs;
  const T* net_deriv;
  const T* in_deriv;
  const T* rij;
  const int32_t* nlist;
};

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
  // Reads net_deriv, in_deriv, rij if the op `has_rij`, nlist and natoms from input `first` on.
  template <typename T>
  absl::Status ReadInputs(OpKernelContext* context, int first, bool has_rij,
                          PairInputs<T>* inputs) const {
    const Tensor& net_deriv = context->input(first);
    const Tensor& in_deriv = context->input(first + 1);
    const Tensor& nlist = context->input(first + 2 + has_rij);
    AtomCounts counts;
    TF_RETURN_IF_ERROR(ReadCounts(context->input(first + 3 + has_rij), &counts));
    const int64_t slots = counts.nloc * nnei_;
    TF_RETURN_IF_ERROR(RequireShape("net_deriv", net_deriv, {kAny, slots * 4}));
    const int64_t nframes = net_deriv.dim_size(0);
    TF_RETURN_IF_ERROR(RequireIndexable(nframes, counts.nloc, nnei_));
    TF_RETURN_IF_ERROR(RequireShape("in_deriv", in_deriv, {nframes, slots * 12}));
    TF_RETURN_IF_ERROR(RequireShape("nlist", nlist, {nframes, slots}));
    *inputs = {{nframes, counts.nloc, counts.nall, nnei_},
               net_deriv.flat<T>().data(),
               in_deriv.flat<T>().data(),
               nullptr,
               nlist.flat<int32_t>().data()};
    if (!has_rij) return absl::OkStatus();
    const Tensor& rij = context->input(first + 2);
    TF_RETURN_IF_ERROR(RequireShape("rij", rij, {nframes, slots * 3}));
    inputs->rij = rij.flat<T>().data();
    return absl::OkStatus();
  }

  // Checks the shape of a gradient by forces, and sets the atoms that it knows.
  static absl::Status ReadForceGrad(const Tensor& grad, deepattn_pairs* pairs) {
    // DeePMD's own op knows forces on local atoms only.
    if (grad.dims() == 2 && grad.dim_size(1) == 3 * pairs->nloc) pairs->nall = pairs->nloc;
    return RequireShape("grad", grad, {pairs->nframes, 3 * pairs->nall});
  }

 private:
  int32_t nnei_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PAIR_OP_H_
