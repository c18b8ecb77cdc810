// ProdForceSeA, ProdVirialSeA and their gradients, on any device.
#ifndef DEEPATTN_OPS_TF_PAIR_OP_H_
#define DEEPATTN_OPS_TF_PAIR_OP_H_

#include "kernels/cpu/force.h"
#include "kernels/cpu/virial.h"
#include "pass_op.h"

namespace deepattn {

enum PairKind { kForce, kForceGrad, kVirial, kVirialGrad };

// The arguments of the kernels over pairs; what an op does not have is null.
template <typename T>
struct PairCall {
  deepattn_pairs pairs;
  const T* grad;  // by the forces or the virial
  const T* net_deriv;
  const T* in_deriv;
  const T* rij;
  const int32_t* nlist;
  T* force;
  T* virial;
  T* atom_virial;
  T* grad_net;
};

template <typename T, PairKind kind>
class PairOp : public PassOp<T, PairCall<T>> {
 public:
  using Call = PairCall<T>;

  explicit PairOp(OpKernelConstruction* context) : PassOp<T, Call>(context) {
    int32_t n_r_sel;
    OP_REQUIRES_OK(context, context->GetAttr("n_a_sel", &nnei_));
    OP_REQUIRES_OK(context, context->GetAttr("n_r_sel", &n_r_sel));
    OP_REQUIRES(context, nnei_ >= 0 && n_r_sel == 0,
                InvalidArgument("n_a_sel must not be negative and n_r_sel must be 0, not ", nnei_,
                                " and ", n_r_sel));
  }

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor& net_deriv = context->input(kNetDeriv);
    AtomCounts counts;
    TF_RETURN_IF_ERROR(ReadCounts(context->input(kNatoms), &counts));
    const int64_t slots = counts.nloc * nnei_;
    TF_RETURN_IF_ERROR(RequireShape("net_deriv", net_deriv, {kAny, slots * 4}));
    const int64_t nframes = net_deriv.dim_size(0);
    TF_RETURN_IF_ERROR(RequireIndexable(nframes, counts.nloc, nnei_));
    TF_RETURN_IF_ERROR(RequireShape("in_deriv", context->input(kInDeriv), {nframes, slots * 12}));
    TF_RETURN_IF_ERROR(RequireShape("nlist", context->input(kNlist), {nframes, slots}));
    call->pairs = {nframes, counts.nloc, counts.nall, nnei_};
    call->net_deriv = this->Data(context, kNetDeriv);
    call->in_deriv = this->Data(context, kInDeriv);
    call->nlist = context->input(kNlist).flat<int32_t>().data();
    if (kHasRij) {
      TF_RETURN_IF_ERROR(RequireShape("rij", context->input(kRij), {nframes, slots * 3}));
      call->rij = this->Data(context, kRij);
    }
    return kIsGrad ? ReadGrad(context, call) : absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, NoSums*) const override {
    const deepattn_pairs& pairs = call->pairs;
    if (kIsGrad) return this->AllocateLike(context, 0, kNetDeriv, &call->grad_net);
    if (!kHasRij) {
      return this->Allocate(context, 0, {pairs.nframes, 3 * pairs.nall}, &call->force);
    }
    TF_RETURN_IF_ERROR(this->Allocate(context, 0, {pairs.nframes, 9}, &call->virial));
    return this->Allocate(context, 1, {pairs.nframes, 9 * pairs.nall}, &call->atom_virial);
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    const deepattn_pairs* pairs = &call.pairs;
    if constexpr (kind == kForce) {
      Pick<T>(deepattn_force_f32, deepattn_force_f64)(pairs, call.net_deriv, call.in_deriv,
                                                      call.nlist, call.force, &threads, status);
    } else if constexpr (kind == kForceGrad) {
      Pick<T>(deepattn_force_grad_f32, deepattn_force_grad_f64)(
          pairs, call.grad, call.in_deriv, call.nlist, call.grad_net, &threads, status);
    } else if constexpr (kind == kVirial) {
      Pick<T>(deepattn_virial_f32, deepattn_virial_f64)(pairs, call.net_deriv, call.in_deriv,
                                                        call.rij, call.nlist, call.virial,
                                                        call.atom_virial, &threads, status);
    } else {
      Pick<T>(deepattn_virial_grad_f32, deepattn_virial_grad_f64)(
          pairs, call.grad, call.in_deriv, call.rij, call.nlist, call.grad_net, &threads, status);
    }
  }

 private:
  static constexpr bool kIsGrad = kind == kForceGrad || kind == kVirialGrad;
  static constexpr bool kHasRij = kind == kVirial || kind == kVirialGrad;

  // Places of the inputs.
  static constexpr int kGrad = 0, kNetDeriv = kIsGrad ? 1 : 0, kInDeriv = kNetDeriv + 1;
  static constexpr int kRij = kInDeriv + 1, kNlist = kHasRij ? kRij + 1 : kRij;
  static constexpr int kNatoms = kNlist + 1;

  // For forces it also sets the atoms that the gradient knows.
  absl::Status ReadGrad(OpKernelContext* context, Call* call) const {
    const Tensor& grad = context->input(kGrad);
    deepattn_pairs& pairs = call->pairs;
    int64_t width = 9;
    if (kind == kForceGrad) {
      // DeePMD's own op knows forces on local atoms only.
      if (grad.dims() == 2 && grad.dim_size(1) == 3 * pairs.nloc) pairs.nall = pairs.nloc;
      width = 3 * pairs.nall;
    }
    call->grad = this->Data(context, kGrad);
    return RequireShape("grad", grad, {pairs.nframes, width});
  }

  int32_t nnei_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PAIR_OP_H_
