// ProdForceSeA and ProdForceSeAGrad under DeePMD's names.
#include "pair_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

REGISTER_OP("ProdForceSeA")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("net_deriv: T")
    .Input("in_deriv: T")
    .Input("nlist: int32")
    .Input("natoms: int32")
    .Attr("n_a_sel: int")
    .Attr("n_r_sel: int")
    .Output("force: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      DimensionHandle nframes, nloc, nall;
      TF_RETURN_IF_ERROR(FrameDim(c, 0, &nframes));
      TF_RETURN_IF_ERROR(CountDims(c, 3, &nloc, &nall));
      return SetRows(c, 0, nframes, nall, 3);
    });

REGISTER_OP("ProdForceSeAGrad")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("grad: T")
    .Input("net_deriv: T")
    .Input("in_deriv: T")
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
class ForceOp : public PairOp {
 public:
  using PairOp::PairOp;

  void Compute(OpKernelContext* context) override {
    PairInputs<T> in;
    OP_REQUIRES_OK(context, ReadInputs(context, 0, /*has_rij=*/false, &in));
    const deepattn_pairs& pairs = in.pairs;
    Tensor* force;
    OP_REQUIRES_OK(
        context, context->allocate_output(0, TensorShape({pairs.nframes, 3 * pairs.nall}), &force));
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<T>(deepattn_force_f32, deepattn_force_f64)(&pairs, in.net_deriv, in.in_deriv, in.nlist,
                                                    force->flat<T>().data(), &threads, &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }
};

template <typename T>
class ForceGradOp : public PairOp {
 public:
  using PairOp::PairOp;

  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    PairInputs<T> in;
    OP_REQUIRES_OK(context, ReadInputs(context, 1, /*has_rij=*/false, &in));
    OP_REQUIRES_OK(context, ReadForceGrad(grad, &in.pairs));
    Tensor* grad_net;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(1).shape(), &grad_net));
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<T>(deepattn_force_grad_f32, deepattn_force_grad_f64)(
        &in.pairs, grad.flat<T>().data(), in.in_deriv, in.nlist, grad_net->flat<T>().data(),
        &threads, &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }
};

#define DEEPATTN_REGISTER(T)                                                                   \
  REGISTER_KERNEL_BUILDER(                                                                     \
      Name("ProdForceSeA").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), ForceOp<T>); \
  REGISTER_KERNEL_BUILDER(                                                                     \
      Name("ProdForceSeAGrad").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),          \
      ForceGradOp<T>)

DEEPATTN_REGISTER(float);
DEEPATTN_REGISTER(double);
#undef DEEPATTN_REGISTER

}  // namespace
}  // namespace deepattn
