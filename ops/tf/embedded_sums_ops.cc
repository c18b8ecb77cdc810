// DeepattnAngleSums and DeepattnEmbeddedContraction; of each its gradient with and without
// parameters, and the gradient's gradient.
#include "kernels/cpu/embedded_sums.h"
#include "net_inputs.h"

namespace deepattn {
namespace {

// Places of the inputs; all ops begin with the same ones. Matrices, biases and time steps of the
// layers follow, then what the gradients need.
enum EmbeddedSumsInput { kRows, kWeight, kIndex, kTimes, kFactors, kLayers };

// `angles`: the sum over angles, or else the contraction. The pass of an op, with gradients by the
// parameters or without.
template <bool angles, typename T, int pass, bool parameters = pass == kDoubleBackward>
class EmbeddedSumsOp : public PassOp<T, EmbeddedSumsCall<T>, EmbeddingParameters<T>> {
 public:
  using Call = EmbeddedSumsCall<T>;
  using Sums = EmbeddingParameters<T>;

  explicit EmbeddedSumsOp(OpKernelConstruction* context)
      : PassOp<T, Call, Sums>(context), net_(context, kFactors, kLayers) {}

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor &rows = context->input(kRows), &index = context->input(kIndex);
    deepattn_embedded_sums_shape& shape = call->shape;
    TF_RETURN_IF_ERROR(RequireShape("index", index, {kAny, kAny}));
    shape.natoms = index.dim_size(0);
    shape.nnei = index.dim_size(1);
    TF_RETURN_IF_ERROR(RequireShape("rows", rows, {shape.natoms, shape.nnei, angles ? 3 : kAny}));
    shape.columns = rows.dim_size(2);
    if (shape.columns < 1 || shape.columns > kMostRowColumns) {
      return InvalidArgument("rows must have 1 to ", kMostRowColumns, " columns, not ",
                             shape.columns);
    }
    TF_RETURN_IF_ERROR(RequireShape("times", context->input(kTimes), {shape.nnei}));
    shape.net.width[0] = 1;
    TF_RETURN_IF_ERROR(net_.Read(context, &shape.net, &call->parameters));
    TF_RETURN_IF_ERROR(CountKinds(&shape));
    const bool scaled = shape.net.nfactors > 0;
    TF_RETURN_IF_ERROR(RequireShape("weight", context->input(kWeight),
                                    {scaled ? shape.natoms : 0, scaled ? shape.nnei : 0}));
    call->rows = this->Data(context, kRows);
    call->weight = this->Data(context, kWeight);
    call->index = index.flat<int32_t>().data();
    call->times = this->Data(context, kTimes);
    if (pass == kForward) return absl::OkStatus();
    const int grad = net_.end();
    if (context->input(grad).shape() != OutputShape(shape)) {
      return InvalidArgument("grad must have the shape of the output, not ",
                             context->input(grad).shape().DebugString());
    }
    call->grad_output = this->Data(context, grad);
    if (pass == kBackward) return absl::OkStatus();
    for (int k = 0; k < 2; ++k) {
      if (context->input(grad + 1 + k).shape() == context->input(kRows + k).shape()) continue;
      return InvalidArgument(k == 0 ? "bar_rows" : "bar_weight",
                             " must have the shape of its input, not ",
                             context->input(grad + 1 + k).shape().DebugString());
    }
    call->grad_grad_rows = this->Data(context, grad + 1);
    call->grad_grad_weight = this->Data(context, grad + 2);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, Sums* sums) const override {
    int output = 0;
    if (pass != kBackward) {
      TF_RETURN_IF_ERROR(
          this->Allocate(context, output++, OutputShape(call->shape),
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
    if constexpr (angles) {
      Pick<T>(deepattn_angle_sums_f32, deepattn_angle_sums_f64)(&call, pass, &threads, status);
    } else {
      Pick<T>(deepattn_embedded_contraction_f32, deepattn_embedded_contraction_f64)(
          &call, pass, &threads, status);
    }
  }

 private:
  static TensorShape OutputShape(const deepattn_embedded_sums_shape& shape) {
    const int64_t width = shape.net.width[shape.net.nlayers];
    if (angles) return {shape.natoms, width};
    return {shape.natoms, shape.columns, width};
  }

  // Factors and offsets have one index; of angles it is a pair of types.
  static absl::Status CountKinds(deepattn_embedded_sums_shape* shape) {
    const int64_t number = shape->net.nfactors + shape->net.noffsets;
    if (shape->net.nfactors > 0 && shape->net.noffsets > 0) {
      return InvalidArgument("there are both factors and offsets");
    }
    if (!angles) return absl::OkStatus();
    while (shape->kinds * shape->kinds < number) ++shape->kinds;
    if (number > 0 && shape->kinds * shape->kinds == number) return absl::OkStatus();
    return InvalidArgument("there must be a row of factors or of offsets for each pair of types, ",
                           "but there are ", number);
  }

  NetInputs<T> net_;
};

OpDef WithInputs(const std::string& name) {
  OpDef op(name.c_str());
  op.Attr("T: {float, double}").Attr("nlayers: int >= 1").Attr("offsets: bool");
  op.Input("rows: T").Input("weight: T").Input("index: int32").Input("times: T");
  AddNetInputs(&op);
  return op;
}

template <bool angles>
InitOnStartupMarker RegisterForward(const std::string& name) {
  return WithInputs(name).Output("output: T").SetShapeFn([](InferenceContext* c) -> absl::Status {
    ShapeHandle rows;
    DimensionHandle width;
    TF_RETURN_IF_ERROR(c->WithRank(c->input(kRows), 3, &rows));
    TF_RETURN_IF_ERROR(NetWidth(c, kLayers, &width));
    c->set_output(0, angles ? c->Matrix(c->Dim(rows, 0), width)
                            : c->MakeShape({c->Dim(rows, 0), c->Dim(rows, 2), width}));
    return absl::OkStatus();
  })();
}

InitOnStartupMarker RegisterGrad(const std::string& name) {
  return WithInputs(name + "Grad")
      .Input("grad: T")
      .Output("out_rows: T")
      .Output("out_weight: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        SetShapesLike(c, 0, kRows, 2);
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterFullGrad(const std::string& name) {
  OpDef op = WithInputs(name + "FullGrad");
  op.Input("grad: T").Output("out_rows: T").Output("out_weight: T");
  AddNetOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    SetShapesLike(c, 0, kRows, 2);
    return SetNetShapes(c, 2, kFactors);
  })();
}

InitOnStartupMarker RegisterGradGrad(const std::string& name) {
  OpDef op = WithInputs(name + "GradGrad");
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

template <bool angles>
InitOnStartupMarker RegisterAll(const std::string& name) {
  RegisterForward<angles>(name);
  RegisterGrad(name);
  RegisterFullGrad(name);
  return RegisterGradGrad(name);
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    RegisterAll<true>("DeepattnAngleSums"),
    RegisterAll<false>("DeepattnEmbeddedContraction"),
};

#define DEEPATTN_REGISTER_ALL(name, angles, T)                                       \
  DEEPATTN_REGISTER(name, T, EmbeddedSumsOp<angles, T, kForward>);                   \
  DEEPATTN_REGISTER(name "Grad", T, EmbeddedSumsOp<angles, T, kBackward>);           \
  DEEPATTN_REGISTER(name "FullGrad", T, EmbeddedSumsOp<angles, T, kBackward, true>); \
  DEEPATTN_REGISTER(name "GradGrad", T, EmbeddedSumsOp<angles, T, kDoubleBackward>)

DEEPATTN_REGISTER_ALL("DeepattnAngleSums", true, float);
DEEPATTN_REGISTER_ALL("DeepattnAngleSums", true, double);
DEEPATTN_REGISTER_ALL("DeepattnEmbeddedContraction", false, float);
DEEPATTN_REGISTER_ALL("DeepattnEmbeddedContraction", false, double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
