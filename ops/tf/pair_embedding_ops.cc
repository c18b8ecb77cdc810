// DeepattnPairEmbedding, its gradient with and without parameters, and the gradient's gradient.
#include "pair_embedding_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

#define DEEPATTN_EMBEDDING_INPUTS     \
  Attr("T: {float, double}")          \
      .Attr("nlayers: int >= 1")      \
      .Input("input: T")              \
      .Input("weight: T")             \
      .Input("index: int32")          \
      .Input("factors: T")            \
      .Input("matrices: nlayers * T") \
      .Input("biases: nlayers * T")   \
      .Input("steps: nlayers * T")
#define DEEPATTN_EMBEDDING_PARAMETER_OUTPUTS \
  Output("out_factors: T")                   \
      .Output("out_matrices: nlayers * T")   \
      .Output("out_biases: nlayers * T")     \
      .Output("out_steps: nlayers * T")

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

REGISTER_OP("DeepattnPairEmbedding")
    .DEEPATTN_EMBEDDING_INPUTS.Output("output: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      DimensionHandle nrows;
      int nlayers;
      ShapeHandle bias;
      TF_RETURN_IF_ERROR(FrameDim(c, kRows, &nrows));
      TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(kLayers + 2 * nlayers - 1), 1, &bias));
      c->set_output(0, c->Matrix(nrows, c->Dim(bias, 0)));
      return absl::OkStatus();
    });

REGISTER_OP("DeepattnPairEmbeddingGrad")
    .DEEPATTN_EMBEDDING_INPUTS.Input("grad: T")
    .Output("out_input: T")
    .Output("out_weight: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      SetShapesLike(c, 0, kRows, 2);
      return absl::OkStatus();
    });

REGISTER_OP("DeepattnPairEmbeddingFullGrad")
    .DEEPATTN_EMBEDDING_INPUTS.Input("grad: T")
    .Output("out_input: T")
    .Output("out_weight: T")
    .DEEPATTN_EMBEDDING_PARAMETER_OUTPUTS.SetShapeFn([](InferenceContext* c) -> absl::Status {
      SetShapesLike(c, 0, kRows, 2);
      return SetParameterShapes(c, 2);
    });

REGISTER_OP("DeepattnPairEmbeddingGradGrad")
    .DEEPATTN_EMBEDDING_INPUTS.Input("grad: T")
    .Input("bar_input: T")
    .Input("bar_weight: T")
    .Output("out_grad: T")
    .Output("out_input: T")
    .Output("out_weight: T")
    .DEEPATTN_EMBEDDING_PARAMETER_OUTPUTS.SetShapeFn([](InferenceContext* c) -> absl::Status {
      int nlayers;
      TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
      c->set_output(0, c->input(kLayers + 3 * nlayers));
      SetShapesLike(c, 1, kRows, 2);
      return SetParameterShapes(c, 3);
    });

#undef DEEPATTN_EMBEDDING_INPUTS
#undef DEEPATTN_EMBEDDING_PARAMETER_OUTPUTS

#define DEEPATTN_REGISTER_ALL(T)                                                  \
  DEEPATTN_REGISTER("DeepattnPairEmbedding", T, EmbeddingOp<T, 0>);               \
  DEEPATTN_REGISTER("DeepattnPairEmbeddingGrad", T, EmbeddingOp<T, 1>);           \
  DEEPATTN_REGISTER("DeepattnPairEmbeddingFullGrad", T, EmbeddingOp<T, 1, true>); \
  DEEPATTN_REGISTER("DeepattnPairEmbeddingGradGrad", T, EmbeddingOp<T, 2>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
