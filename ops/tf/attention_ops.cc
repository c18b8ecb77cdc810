// DeepattnGatedAttention, its gradient with and without parameters, and in two ops the gradient's
// gradient: the tangent, and the reverse pass, which takes the gradient's other part along.
#include "attention_op.h"
#include "op_def.h"

namespace deepattn {
namespace {

OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double}").Attr("dotr: bool").Attr("mask: bool").Attr("smooth: bool");
  op.Input("embedding: T").Input("direction: T").Input("weight: T").Input("count: int32");
  op.Input("padding: T").Input("ln_eps: T");
  for (const char* parameter : kParameterNames) op.Input(std::string(parameter) + ": T");
  return op;
}

void AddGradGrads(OpDef* op) {
  op->Input("bar_embedding: T").Input("bar_direction: T").Input("bar_weight: T");
}

void AddSlotOutputs(OpDef* op) {
  op->Output("out_embedding: T").Output("out_direction: T").Output("out_weight: T");
}

void AddParameterOutputs(OpDef* op) {
  for (const char* name : kParameterNames) op->Output(std::string("out_") + name + ": T");
}

absl::Status SetSlotShapes(InferenceContext* c) {
  SetShapesLike(c, 0, kEmbedding, 3);
  return absl::OkStatus();
}

absl::Status SetAllShapes(InferenceContext* c) {
  SetShapesLike(c, 3, kParameters, kNumParameters);
  return SetSlotShapes(c);
}

InitOnStartupMarker RegisterForward() {
  // `link` is empty. A gradient op that takes it promises that nothing else does, and leaves its
  // own gradient to that of this op, which then finds the state of a tangent as the gradient by
  // `link`.
  return WithInputs("DeepattnGatedAttention")
      .Output("output: T")
      .Output("kept: T")
      .Output("link: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        c->set_output(0, c->input(kEmbedding));
        // Not known of `link` either: it must fit to its gradient.
        for (int k : {1, 2}) c->set_output(k, c->Vector(InferenceContext::kUnknownDim));
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterGrad() {
  OpDef op = WithInputs("DeepattnGatedAttentionGrad");
  op.Input("kept: T").Input("grad: T").Input("link: T");
  AddSlotOutputs(&op);
  return op.SetShapeFn(SetSlotShapes)();
}

InitOnStartupMarker RegisterFullGrad() {
  OpDef op = WithInputs("DeepattnGatedAttentionFullGrad");
  op.Input("kept: T").Input("grad: T");
  AddSlotOutputs(&op);
  AddParameterOutputs(&op);
  return op.SetShapeFn(SetAllShapes)();
}

InitOnStartupMarker RegisterTangent() {
  OpDef op = WithInputs("DeepattnGatedAttentionTangent");
  op.Input("kept: T");
  AddGradGrads(&op);
  return op.Output("tangent: T")
      .Output("state: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        c->set_output(0, c->input(kEmbedding));
        c->set_output(1, c->Vector(InferenceContext::kUnknownDim));
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterReverse() {
  OpDef op = WithInputs("DeepattnGatedAttentionReverse");
  op.Input("kept: T").Input("grad: T");
  AddGradGrads(&op);
  op.Input("state: T").Input("bar_output: T");
  AddSlotOutputs(&op);
  AddParameterOutputs(&op);
  return op.SetShapeFn(SetAllShapes)();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    RegisterForward(), RegisterGrad(), RegisterFullGrad(), RegisterTangent(), RegisterReverse(),
};

#define DEEPATTN_REGISTER_PASS(name, T, ...) \
  DEEPATTN_REGISTER("DeepattnGatedAttention" name, T, AttentionOp<T, __VA_ARGS__>)
#define DEEPATTN_REGISTER_ALL(T)                          \
  DEEPATTN_REGISTER_PASS("", T, kForward);                \
  DEEPATTN_REGISTER_PASS("Grad", T, kBackward);           \
  DEEPATTN_REGISTER_PASS("FullGrad", T, kBackward, true); \
  DEEPATTN_REGISTER_PASS("Tangent", T, kTangent);         \
  DEEPATTN_REGISTER_PASS("Reverse", T, kReverse)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL
#undef DEEPATTN_REGISTER_PASS

}  // namespace
}  // namespace deepattn
