// DeepattnPairEmbedding, its gradient with and without parameters, and the gradient's gradient.
#include "pair_embedding_op.h"

namespace deepattn {
namespace {

OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double}").Attr("nlayers: int >= 1");
  // Graphs of older versions do not have it.
  op.Attr("offsets: bool = false");
  op.Input("input: T").Input("weight: T").Input("index: int32");
  AddNetInputs(&op);
  return op;
}

InitOnStartupMarker RegisterForward() {
  return WithInputs("DeepattnPairEmbedding")
      .Output("output: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        DimensionHandle nrows, width;
        TF_RETURN_IF_ERROR(FrameDim(c, kRows, &nrows));
        TF_RETURN_IF_ERROR(NetWidth(c, kLayers, &width));
        c->set_output(0, c->Matrix(nrows, width));
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
  AddNetOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    SetShapesLike(c, 0, kRows, 2);
    return SetNetShapes(c, 2, kFactors);
  })();
}

InitOnStartupMarker RegisterGradGrad() {
  OpDef op = WithInputs("DeepattnPairEmbeddingGradGrad");
  op.Input("grad: T").Input("bar_input: T").Input("bar_weight: T");
  op.Output("out_grad: T").Output("out_input: T").Output("out_weight: T");
  AddNetOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    int nlayers;
    TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
    c->set_output(0, c->input(kLayers + 3 * nlayers));
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
