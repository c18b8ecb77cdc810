// DeepattnPairAttention, its gradient with and without parameters, and the gradient's gradient.
#include "op_def.h"
#include "pair_attention_op.h"

namespace deepattn {
namespace {

OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double}").Attr("gate: bool").Attr("smooth: bool");
  op.Input("features: T").Input("vectors: T").Input("weight: T").Input("padding: T");
  op.Input("score_matrix: T").Input("message_matrix: T");
  return op;
}

// Outputs number `first` and on: the gradients by the slots' numbers, and by the parameters.
absl::Status SetGradientShapes(InferenceContext* c, int first, bool parameters) {
  SetShapesLike(c, first, kFeatures, 3);
  if (parameters) SetShapesLike(c, first + 3, kScoreMatrix, 2);
  return absl::OkStatus();
}

void AddSlotOutputs(OpDef* op) {
  op->Output("out_features: T").Output("out_vectors: T").Output("out_weight: T");
}

void AddParameterOutputs(OpDef* op) {
  op->Output("out_score_matrix: T").Output("out_message_matrix: T");
}

InitOnStartupMarker RegisterForward() {
  return WithInputs("DeepattnPairAttention")
      .Output("output: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        c->set_output(0, c->input(kFeatures));
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterGrad() {
  OpDef op = WithInputs("DeepattnPairAttentionGrad");
  op.Input("grad: T");
  AddSlotOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) { return SetGradientShapes(c, 0, false); })();
}

InitOnStartupMarker RegisterFullGrad() {
  OpDef op = WithInputs("DeepattnPairAttentionFullGrad");
  op.Input("grad: T");
  AddSlotOutputs(&op);
  AddParameterOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) { return SetGradientShapes(c, 0, true); })();
}

InitOnStartupMarker RegisterGradGrad() {
  OpDef op = WithInputs("DeepattnPairAttentionGradGrad");
  op.Input("grad: T").Input("bar_features: T").Input("bar_vectors: T").Input("bar_weight: T");
  op.Output("out_grad: T");
  AddSlotOutputs(&op);
  AddParameterOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) {
    c->set_output(0, c->input(kGrad));
    return SetGradientShapes(c, 1, true);
  })();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    RegisterForward(),
    RegisterGrad(),
    RegisterFullGrad(),
    RegisterGradGrad(),
};

#define DEEPATTN_REGISTER_ALL(T)                                                              \
  DEEPATTN_REGISTER("DeepattnPairAttention", T, PairAttentionOp<T, kForward>);                \
  DEEPATTN_REGISTER("DeepattnPairAttentionGrad", T, PairAttentionOp<T, kBackward>);           \
  DEEPATTN_REGISTER("DeepattnPairAttentionFullGrad", T, PairAttentionOp<T, kBackward, true>); \
  DEEPATTN_REGISTER("DeepattnPairAttentionGradGrad", T, PairAttentionOp<T, kDoubleBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
