// TabulateFusionSeAtten and TabulateFusionSeA, the ops of DeePMD-kit's compressed graphs, with
// their gradients.
#include "op_def.h"
#include "tabulate_fusion_op.h"

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

// table [nrows, 6 M], table_info [6], em_x [natoms nnei, 1], em [natoms, nnei, 4].
OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double} = DT_DOUBLE");
  op.Input("table: T").Input("table_info: T").Input("em_x: T").Input("em: T");
  return op;
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    WithInputs("TabulateFusionSeA")
        .Attr("last_layer_size: int")
        .Output("descriptor: T")
        .SetShapeFn(SetDescriptorShape)(),
    WithInputs("TabulateFusionSeAGrad")
        .Input("dy: T")
        .Input("descriptor: T")
        .Output("dy_dem_x: T")
        .Output("dy_dem: T")
        .SetShapeFn([](InferenceContext* c) { return SetGradientShapes(c, false); })(),
    WithInputs("TabulateFusionSeAtten")
        .Input("two_embed: T")
        .Attr("last_layer_size: int")
        .Attr("is_sorted: bool = true")
        .Output("descriptor: T")
        .SetShapeFn(SetDescriptorShape)(),
    WithInputs("TabulateFusionSeAttenGrad")
        .Input("two_embed: T")
        .Input("dy: T")
        .Input("descriptor: T")
        .Attr("is_sorted: bool = true")
        .Output("dy_dem_x: T")
        .Output("dy_dem: T")
        .Output("dy_dtwo: T")
        .SetShapeFn([](InferenceContext* c) { return SetGradientShapes(c, true); })(),
};

#define DEEPATTN_REGISTER_ALL(T)                                                        \
  DEEPATTN_REGISTER("TabulateFusionSeA", T, TabulateFusionOp<T, false, kForward>);      \
  DEEPATTN_REGISTER("TabulateFusionSeAGrad", T, TabulateFusionOp<T, false, kBackward>); \
  DEEPATTN_REGISTER("TabulateFusionSeAtten", T, TabulateFusionOp<T, true, kForward>);   \
  DEEPATTN_REGISTER("TabulateFusionSeAttenGrad", T, TabulateFusionOp<T, true, kBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
