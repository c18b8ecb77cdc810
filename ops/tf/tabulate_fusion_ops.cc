// TabulateFusionSeAtten and TabulateFusionSeA, the ops of DeePMD-kit's compressed graphs, with
// their gradients.
#include "shapes.h"
#include "tabulated_op.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

// Places of the inputs. With factors of pairs of types those are next, then `dy` of the gradients.
enum Input { kTable, kTableInfo, kEmX, kEm, kMore };

absl::Status SetDescriptorShape(InferenceContext* c) {
  int64_t width;
  TF_RETURN_IF_ERROR(c->GetAttr("last_layer_size", &width));
  ShapeHandle em;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(kEm), 3, &em));
  c->set_output(0, c->MakeShape({c->Dim(em, 0), c->MakeDim(4), c->MakeDim(width)}));
  return absl::OkStatus();
}

absl::Status SetGradientShapes(InferenceContext* c, bool factors) {
  SetShapesLike(c, 0, kEmX, factors ? 3 : 2);
  return absl::OkStatus();
}

#define DEEPATTN_FUSION_INPUTS                       \
  Attr("T: {float, double} = DT_DOUBLE")             \
      .Input("table: T")      /* [nrows, 6 M] */     \
      .Input("table_info: T") /* [6] */              \
      .Input("em_x: T")       /* [natoms nnei, 1] */ \
      .Input("em: T")         /* [natoms, nnei, 4] */

REGISTER_OP("TabulateFusionSeA")
    .DEEPATTN_FUSION_INPUTS.Attr("last_layer_size: int")
    .Output("descriptor: T")
    .SetShapeFn(SetDescriptorShape);

REGISTER_OP("TabulateFusionSeAGrad")
    .DEEPATTN_FUSION_INPUTS.Input("dy: T")
    .Input("descriptor: T")
    .Output("dy_dem_x: T")
    .Output("dy_dem: T")
    .SetShapeFn([](InferenceContext* c) { return SetGradientShapes(c, false); });

REGISTER_OP("TabulateFusionSeAtten")
    .DEEPATTN_FUSION_INPUTS.Input("two_embed: T")
    .Attr("last_layer_size: int")
    .Attr("is_sorted: bool = true")
    .Output("descriptor: T")
    .SetShapeFn(SetDescriptorShape);

REGISTER_OP("TabulateFusionSeAttenGrad")
    .DEEPATTN_FUSION_INPUTS.Input("two_embed: T")
    .Input("dy: T")
    .Input("descriptor: T")
    .Attr("is_sorted: bool = true")
    .Output("dy_dem_x: T")
    .Output("dy_dem: T")
    .Output("dy_dtwo: T")
    .SetShapeFn([](InferenceContext* c) { return SetGradientShapes(c, true); });

#undef DEEPATTN_FUSION_INPUTS

template <typename T, bool factors, int order>
class TabulateFusionOp : public TabulatedOp<T, order> {
 public:
  using typename TabulatedOp<T, order>::Call;

  explicit TabulateFusionOp(OpKernelConstruction* context) : TabulatedOp<T, order>(context) {
    // Without factors the op has no attribute, and slots are taken to be sorted.
    if (factors) OP_REQUIRES_OK(context, context->GetAttr("is_sorted", &is_sorted_));
    if (order == 0) OP_REQUIRES_OK(context, context->GetAttr("last_layer_size", &width_));
  }

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor& table = context->input(kTable);
    const Tensor& em = context->input(kEm);
    deepattn_tabulated_shape& shape = call->shape;
    const int64_t numbers = width_ == kAny ? kAny : 6 * width_;
    TF_RETURN_IF_ERROR(RequireShape("table", table, {kAny, numbers}));
    TF_RETURN_IF_ERROR(RequireShape("table_info", context->input(kTableInfo), {6}));
    TF_RETURN_IF_ERROR(RequireShape("em", em, {kAny, kAny, 4}));
    shape.natoms = em.dim_size(0);
    shape.nnei = em.dim_size(1);
    shape.ntables = 1;
    shape.nrows = table.dim_size(0);
    shape.width = shape.stride = table.dim_size(1) / 6;
    shape.contracted = shape.stock = true;
    shape.is_sorted = is_sorted_;
    if (shape.nrows < 1 || shape.width < 1 || table.dim_size(1) % 6 != 0) {
      return InvalidArgument("table must have rows of 6 numbers for each neuron, not the shape ",
                             table.shape().DebugString());
    }
    const int64_t slots = shape.natoms * shape.nnei;
    TF_RETURN_IF_ERROR(RequireShape("em_x", context->input(kEmX), {slots, 1}));
    call->table = this->Data(context, kTable);
    call->range = this->Data(context, kTableInfo);
    call->rows = this->Data(context, kEmX);
    call->matrix = this->Data(context, kEm);
    int place = kMore;
    if (factors) {
      TF_RETURN_IF_ERROR(RequireShape("two_embed", context->input(place), {slots, shape.width}));
      shape.nfactors = slots;
      call->factors = this->Data(context, place++);
    }
    if (order == 0) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("dy", context->input(place), {shape.natoms, 4, shape.width}));
    call->grad = this->Data(context, place);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, NoSums*) const override {
    const deepattn_tabulated_shape& shape = call->shape;
    if (order == 0) {
      return this->Allocate(context, 0, {shape.natoms, 4, shape.width}, &call->out);
    }
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kEmX, &call->out_rows));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 1, kEm, &call->out_matrix));
    if (!factors) return absl::OkStatus();
    return this->AllocateLike(context, 2, kMore, &call->out_factors);
  }

 private:
  bool is_sorted_ = true;
  int64_t width_ = kAny;  // the gradients take it from the table
};

#define DEEPATTN_REGISTER_ALL(T)                                                \
  DEEPATTN_REGISTER("TabulateFusionSeA", T, TabulateFusionOp<T, false, 0>);     \
  DEEPATTN_REGISTER("TabulateFusionSeAGrad", T, TabulateFusionOp<T, false, 1>); \
  DEEPATTN_REGISTER("TabulateFusionSeAtten", T, TabulateFusionOp<T, true, 0>);  \
  DEEPATTN_REGISTER("TabulateFusionSeAttenGrad", T, TabulateFusionOp<T, true, 1>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
