// TabulateFusionSeAtten and TabulateFusionSeA, the ops of DeePMD-kit's compressed graphs, with
// their gradients.
#include "shapes.h"
#include "tabulate_fusion_op.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

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
