// DeepattnInvariants, its tangent and its gradient.
#include "kernels/cpu/invariants.h"
#include "op_def.h"
#include "pass_op.h"

namespace deepattn {
namespace {

// The second input is the tangent of rows, or the gradient by invariants.
template <typename T, int pass>
class InvariantsOp : public PassOp<T, InvariantsCall<T>> {
 public:
  using Call = InvariantsCall<T>;

  explicit InvariantsOp(OpKernelConstruction* context) : PassOp<T, Call>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("axis", &axis_));
    OP_REQUIRES_OK(context, context->GetAttr("axis_first", &axis_first_));
  }

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor& rows = context->input(0);
    TF_RETURN_IF_ERROR(RequireShape("rows", rows, {kAny, kAny, kAny}));
    call->shape = {rows.dim_size(0), rows.dim_size(1), rows.dim_size(2), axis_, axis_first_};
    const auto& shape = call->shape;
    if (shape.axis < 1 || shape.axis > shape.width) {
      return InvalidArgument("axis must be 1 to ", shape.width, ", the width of rows, not ",
                             shape.axis);
    }
    call->rows = this->Data(context, 0);
    if (pass == kInvariantsTangent) {
      TF_RETURN_IF_ERROR(
          RequireShape("tangent", context->input(1), {shape.natoms, shape.columns, shape.width}));
      call->tangent = this->Data(context, 1);
    }
    if (pass == kInvariantsGrad) {
      TF_RETURN_IF_ERROR(
          RequireShape("grad", context->input(1), {shape.natoms, shape.axis * shape.width}));
      call->grad = this->Data(context, 1);
    }
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, NoSums*) const override {
    if (pass == kInvariantsGrad) return this->AllocateLike(context, 0, 0, &call->output);
    const auto& shape = call->shape;
    return this->Allocate(context, 0, {shape.natoms, shape.axis * shape.width}, &call->output);
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_invariants_f32, deepattn_invariants_f64)(&call, pass, &threads, status);
  }

 private:
  int axis_;
  bool axis_first_;
};

OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double}").Attr("axis: int").Attr("axis_first: bool").Input("rows: T");
  return op;
}

absl::Status SetInvariantsShape(InferenceContext* c) {
  ShapeHandle rows;
  DimensionHandle number;
  int64_t axis;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 3, &rows));
  TF_RETURN_IF_ERROR(c->GetAttr("axis", &axis));
  TF_RETURN_IF_ERROR(c->Multiply(c->Dim(rows, 2), axis, &number));
  c->set_output(0, c->Matrix(c->Dim(rows, 0), number));
  return absl::OkStatus();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    WithInputs("DeepattnInvariants").Output("output: T").SetShapeFn(SetInvariantsShape)(),
    WithInputs("DeepattnInvariantsTangent")
        .Input("tangent: T")
        .Output("output: T")
        .SetShapeFn(SetInvariantsShape)(),
    WithInputs("DeepattnInvariantsGrad")
        .Input("grad: T")
        .Output("output: T")
        .SetShapeFn(tensorflow::shape_inference::UnchangedShape)(),
};

#define DEEPATTN_REGISTER_ALL(T)                                                          \
  DEEPATTN_REGISTER("DeepattnInvariants", T, InvariantsOp<T, kInvariants>);               \
  DEEPATTN_REGISTER("DeepattnInvariantsTangent", T, InvariantsOp<T, kInvariantsTangent>); \
  DEEPATTN_REGISTER("DeepattnInvariantsGrad", T, InvariantsOp<T, kInvariantsGrad>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
