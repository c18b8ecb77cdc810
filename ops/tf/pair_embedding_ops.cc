// DeepattnPairEmbedding, its gradient with and without parameters, and the gradient's gradient.
#include "op_def.h"
#include "pair_embedding_op.h"

namespace deepattn {
namespace {

OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double}").Attr("nlayers: int >= 1");
  // Graphs of older versions do not have it.
  op.Attr("offsets: bool = false");
  op.Input("input: T").Input("weight: T").Input("index: int32").Input("factors: T");
  op.Input("matrices: nlayers * T").Input("biases: nlayers * T").Input("steps: nlayers * T");
  return op;
}

void AddParameterOutputs(OpDef* op) {
  op->Output("out_factors: T").Output("out_matrices: nlayers * T");
  op->Output("out_biases: nlayers * T").Output("out_steps: nlayers * T");
}

absl::Status CountLayers(InferenceContext* c, int* nlayers) {
  int64_t number;
  TF_RETURN_IF_ERROR(c->GetAttr("nlayers", &number));
  *nlayers = static_cast<int>(number);
  return absl::OkStatus();
}

// The gradients by factors and layers are the outputs from number `first` on.
absl::Status SetParameterShapes(InferenceContext* c, int first) {
  int nlayers;
  TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
  SetShapesLike(c, first, kFactors, 1 + 3 * nlayers);
  return absl::OkStatus();
}

InitOnStartupMarker RegisterForward() {
  return WithInputs("DeepattnPairEmbedding")
      .Output("output: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        DimensionHandle nrows;
        int nlayers;
        ShapeHandle bias;
        TF_RETURN_IF_ERROR(FrameDim(c, kRows, &nrows));
        TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
        TF_RETURN_IF_ERROR(c->WithRank(c->input(kLayers + 2 * nlayers - 1), 1, &bias));
        c->set_output(0, c->Matrix(nrows, c->Dim(bias, 0)));
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterGrad() {
  return WithInputs("DeepattnPairEmbeddingGrad")
      .Input("grad: T")
      .Output("out_input: T")
      .Output("out_weight: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        SetShapesLike(c, 0, kRows, 2);
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterFullGrad() {
  OpDef op = WithInputs("DeepattnPairEmbeddingFullGrad");
  op.Input("grad: T").Output("out_input: T").Output("out_weight: T");
  AddParameterOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    SetShapesLike(c, 0, kRows, 2);
    return SetParameterShapes(c, 2);
  })();
}

InitOnStartupMarker RegisterGradGrad() {
  OpDef op = WithInputs("DeepattnPairEmbeddingGradGrad");
  op.Input("grad: T").Input("bar_input: T").Input("bar_weight: T");
  op.Output("out_grad: T").Output("out_input: T").Output("out_weight: T");
  AddParameterOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    int nlayers;
    TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
    c->set_output(0, c->input(kLayers + 3 * nlayers));
    SetShapesLike(c, 1, kRows, 2);
    return SetParameterShapes(c, 3);
  })();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    RegisterForward(),
    RegisterGrad(),
    RegisterFullGrad(),
    RegisterGradGrad(),
};

#define DEEPATTN_REGISTER_ALL(T)                                                          \
  DEEPATTN_REGISTER("DeepattnPairEmbedding", T, EmbeddingOp<T, kForward>);                \
  DEEPATTN_REGISTER("DeepattnPairEmbeddingGrad", T, EmbeddingOp<T, kBackward>);           \
  DEEPATTN_REGISTER("DeepattnPairEmbeddingFullGrad", T, EmbeddingOp<T, kBackward, true>); \
  DEEPATTN_REGISTER("DeepattnPairEmbeddingGradGrad", T, EmbeddingOp<T, kDoubleBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
