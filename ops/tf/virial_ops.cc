// ProdVirialSeA and ProdVirialSeAGrad under DeePMD's names.
#include "kernels/cpu/virial.h"
#include "pair_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

REGISTER_OP("ProdVirialSeA")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("net_deriv: T")
    .Input("in_deriv: T")
    .Input("rij: T")
    .Input("nlist: int32")
    .Input("natoms: int32")
    .Attr("n_a_sel: int")
    .Attr("n_r_sel: int")
    .Output("virial: T")
    .Output("atom_virial: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      DimensionHandle nframes, nloc, nall;
      TF_RETURN_IF_ERROR(FrameDim(c, 0, &nframes));
      TF_RETURN_IF_ERROR(CountDims(c, 4, &nloc, &nall));
      c->set_output(0, c->Matrix(nframes, 9));
      return SetRows(c, 1, nframes, nall, 9);
    });

REGISTER_OP("ProdVirialSeAGrad")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("grad: T")
    .Input("net_deriv: T")
    .Input("in_deriv: T")
    .Input("rij: T")
    .Input("nlist: int32")
    .Input("natoms: int32")
    .Attr("n_a_sel: int")
    .Attr("n_r_sel: int")
    .Output("grad_net: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      c->set_output(0, c->input(1));
      return absl::OkStatus();
    });

template <typename T>
class VirialOp : public PairOp {
 public:
  using PairOp::PairOp;

  void Compute(OpKernelContext* context) override {
    PairInputs<T> in;
    OP_REQUIRES_OK(context, ReadInputs(context, 0, /*has_rij=*/true, &in));
    const deepattn_pairs& pairs = in.pairs;
    Tensor *virial, *atom_virial;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({pairs.nframes, 9}), &virial));
    OP_REQUIRES_OK(context, context->allocate_output(
                                1, TensorShape({pairs.nframes, 9 * pairs.nall}), &atom_virial));
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<T>(deepattn_virial_f32, deepattn_virial_f64)(
        &pairs, in.net_deriv, in.in_deriv, in.rij, in.nlist, virial->flat<T>().data(),
        atom_virial->flat<T>().data(), &threads, &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }
};

template <typename T>
class VirialGradOp : public PairOp {
 public:
  using PairOp::PairOp;

  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    PairInputs<T> in;
    OP_REQUIRES_OK(context, ReadInputs(context, 1, /*has_rij=*/true, &in));
    OP_REQUIRES_OK(context, RequireShape("grad", grad, {in.pairs.nframes, 9}));
    Tensor* grad_net;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(1).shape(), &grad_net));
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<T>(deepattn_virial_grad_f32, deepattn_virial_grad_f64)(
        &in.pairs, grad.flat<T>().data(), in.in_deriv, in.rij, in.nlist, grad_net->flat<T>().data(),
        &threads, &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }
};

#define DEEPATTN_REGISTER(T)                                                                     \
  REGISTER_KERNEL_BUILDER(                                                                       \
      Name("ProdVirialSeA").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), VirialOp<T>); \
  REGISTER_KERNEL_BUILDER(                                                                       \
      Name("ProdVirialSeAGrad").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),           \
      VirialGradOp<T>)

DEEPATTN_REGISTER(float);
DEEPATTN_REGISTER(double);
#undef DEEPATTN_REGISTER

}  // namespace
}  // namespace deepattn
