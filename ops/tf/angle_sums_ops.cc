// DeepattnAngleSums, its gradient with and without parameters, and the gradient's gradient.
#include "kernels/cpu/angle_sums.h"
#include "net_inputs.h"
#include "op_def.h"
#include "pass_op.h"

namespace deepattn {
namespace {

// Places of the inputs; all ops begin with the same ones. Matrices, biases and time steps of the
// layers follow, then what the gradients need.
enum AngleSumsInput { kRows, kWeight, kKind, kTimes, kFactors, kLayers };

// The pass of an op, with gradients by the parameters or without.
template <typename T, int pass, bool parameters = pass == kDoubleBackward>
class AngleSumsOp : public PassOp<T, AngleSumsCall<T>, EmbeddingParameters<T>> {
 public:
  using Call = AngleSumsCall<T>;
  using Sums = EmbeddingParameters<T>;

  explicit AngleSumsOp(OpKernelConstruction* context)
      : PassOp<T, Call, Sums>(context), net_(context, kFactors, kLayers) {}

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor &rows = context->input(kRows), &kind = context->input(kKind);
    TF_RETURN_IF_ERROR(RequireShape("kind", kind, {kAny, kAny}));
    auto& [natoms, nnei, kinds, net] = call->shape;
    natoms = kind.dim_size(0);
    nnei = kind.dim_size(1);
    TF_RETURN_IF_ERROR(RequireShape("rows", rows, {natoms, nnei, 3}));
    TF_RETURN_IF_ERROR(RequireShape("times", context->input(kTimes), {nnei}));
    net.width[0] = 1;
    TF_RETURN_IF_ERROR(net_.Read(context, &net, &call->parameters));
    const int64_t pairs = net.nfactors + net.noffsets;
    while (kinds * kinds < pairs) ++kinds;
    if (net.nfactors > 0 && net.noffsets > 0) {
      return InvalidArgument("there are both factors and offsets, but they have one index");
    }
    if (pairs == 0 || kinds * kinds != pairs) {
      return InvalidArgument(
          "there must be a row of factors or of offsets for each pair of types, ", "but there are ",
          pairs);
    }
    const bool scaled = net.nfactors > 0;
    TF_RETURN_IF_ERROR(
        RequireShape("weight", context->input(kWeight), {scaled ? natoms : 0, scaled ? nnei : 0}));
    call->rows = this->Data(context, kRows);
    call->weight = this->Data(context, kWeight);
    call->kind = kind.flat<int32_t>().data();
    call->times = this->Data(context, kTimes);
    if (pass == kForward) return absl::OkStatus();
    const int grad = net_.end();
    TF_RETURN_IF_ERROR(
        RequireShape("grad", context->input(grad), {natoms, net.width[net.nlayers]}));
    call->grad_output = this->Data(context, grad);
    if (pass == kBackward) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("bar_rows", context->input(grad + 1), {natoms, nnei, 3}));
    if (context->input(grad + 2).shape() != context->input(kWeight).shape()) {
      return InvalidArgument("bar_weight must have the shape of weight, not ",
                             context->input(grad + 2).shape().DebugString());
    }
    call->grad_grad_rows = this->Data(context, grad + 1);
    call->grad_grad_weight = this->Data(context, grad + 2);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, Sums* sums) const override {
    int output = 0;
    if (pass != kBackward) {
      const auto& [natoms, nnei, kinds, net] = call->shape;
      TF_RETURN_IF_ERROR(
          this->Allocate(context, output++, {natoms, net.width[net.nlayers]},
                         pass == kForward ? &call->output : &call->grad_grad_output));
    }
    if (pass == kForward) return absl::OkStatus();
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kRows, &call->grad_rows));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kWeight, &call->grad_weight));
    if (!parameters) return absl::OkStatus();
    TF_RETURN_IF_ERROR(net_.AllocateGradients(context, output, sums));
    call->grad_parameters = sums;
    return absl::OkStatus();
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_angle_sums_f32, deepattn_angle_sums_f64)(&call, pass, &threads, status);
  }

 private:
  NetInputs<T> net_;
};

OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double}").Attr("nlayers: int >= 1").Attr("offsets: bool");
  op.Input("rows: T").Input("weight: T").Input("kind: int32").Input("times: T");
  AddNetInputs(&op);
  return op;
}

InitOnStartupMarker RegisterForward() {
  return WithInputs("DeepattnAngleSums")
      .Output("output: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        DimensionHandle natoms, width;
        TF_RETURN_IF_ERROR(FrameDim(c, kKind, &natoms));
        TF_RETURN_IF_ERROR(NetWidth(c, kLayers, &width));
        c->set_output(0, c->Matrix(natoms, width));
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterGrad() {
  return WithInputs("DeepattnAngleSumsGrad")
      .Input("grad: T")
      .Output("out_rows: T")
      .Output("out_weight: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        SetShapesLike(c, 0, kRows, 2);
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterFullGrad() {
  OpDef op = WithInputs("DeepattnAngleSumsFullGrad");
  op.Input("grad: T").Output("out_rows: T").Output("out_weight: T");
  AddNetOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    SetShapesLike(c, 0, kRows, 2);
    return SetNetShapes(c, 2, kFactors);
  })();
}

InitOnStartupMarker RegisterGradGrad() {
  OpDef op = WithInputs("DeepattnAngleSumsGradGrad");
  op.Input("grad: T").Input("bar_rows: T").Input("bar_weight: T");
  op.Output("out_grad: T").Output("out_rows: T").Output("out_weight: T");
  AddNetOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    int nlayers;
    TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
    SetShapesLike(c, 0, kLayers + 3 * nlayers, 1);
    SetShapesLike(c, 1, kRows, 2);
    return SetNetShapes(c, 3, kFactors);
  })();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    RegisterForward(),
    RegisterGrad(),
    RegisterFullGrad(),
    RegisterGradGrad(),
};

#define DEEPATTN_REGISTER_ALL(T)                                                      \
  DEEPATTN_REGISTER("DeepattnAngleSums", T, AngleSumsOp<T, kForward>);                \
  DEEPATTN_REGISTER("DeepattnAngleSumsGrad", T, AngleSumsOp<T, kBackward>);           \
  DEEPATTN_REGISTER("DeepattnAngleSumsFullGrad", T, AngleSumsOp<T, kBackward, true>); \
  DEEPATTN_REGISTER("DeepattnAngleSumsGradGrad", T, AngleSumsOp<T, kDoubleBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
