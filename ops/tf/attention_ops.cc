// DeepattnGatedAttention, its gradient with and without parameters, and in two ops the gradient's
// gradient: the tangent, and the reverse pass, which takes the gradient's other part along.
#include "attention_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

#define DEEPATTN_ATTENTION_INPUTS \
  Attr("T: {float, double}")      \
      .Attr("dotr: bool")         \
      .Attr("mask: bool")         \
      .Attr("smooth: bool")       \
      .Input("embedding: T")      \
      .Input("direction: T")      \
      .Input("weight: T")         \
      .Input("count: int32")      \
      .Input("padding: T")        \
      .Input("ln_eps: T")         \
      .Input("query_matrix: T")   \
      .Input("query_bias: T")     \
      .Input("key_matrix: T")     \
      .Input("key_bias: T")       \
      .Input("value_matrix: T")   \
      .Input("value_bias: T")     \
      .Input("out_matrix: T")     \
      .Input("out_bias: T")       \
      .Input("gamma: T")          \
      .Input("beta: T")
#define DEEPATTN_ATTENTION_GRAD_INPUTS DEEPATTN_ATTENTION_INPUTS.Input("kept: T").Input("grad: T")
#define DEEPATTN_ATTENTION_BARS \
  Input("bar_embedding: T").Input("bar_direction: T").Input("bar_weight: T")
#define DEEPATTN_ATTENTION_SLOT_OUTPUTS \
  Output("out_embedding: T").Output("out_direction: T").Output("out_weight: T")
#define DEEPATTN_ATTENTION_PARAMETER_OUTPUTS \
  Output("out_query_matrix: T")              \
      .Output("out_query_bias: T")           \
      .Output("out_key_matrix: T")           \
      .Output("out_key_bias: T")             \
      .Output("out_value_matrix: T")         \
      .Output("out_value_bias: T")           \
      .Output("out_out_matrix: T")           \
      .Output("out_out_bias: T")             \
      .Output("out_gamma: T")                \
      .Output("out_beta: T")

// `link` is empty. A gradient op that takes it promises that nothing else does, and leaves its own
// gradient to that of this op, which then finds the state of a tangent as the gradient by `link`.
REGISTER_OP("DeepattnGatedAttention")
    .DEEPATTN_ATTENTION_INPUTS.Output("output: T")
    .Output("kept: T")
    .Output("link: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      c->set_output(0, c->input(kEmbedding));
      // Not known of `link` either: it must fit to its gradient.
      for (int k : {1, 2}) c->set_output(k, c->Vector(InferenceContext::kUnknownDim));
      return absl::OkStatus();
    });

REGISTER_OP("DeepattnGatedAttentionGrad")
    .DEEPATTN_ATTENTION_GRAD_INPUTS.Input("link: T")
    .DEEPATTN_ATTENTION_SLOT_OUTPUTS.SetShapeFn([](InferenceContext* c) -> absl::Status {
      SetShapesLike(c, 0, kEmbedding, 3);
      return absl::OkStatus();
    });

REGISTER_OP("DeepattnGatedAttentionFullGrad")
    .DEEPATTN_ATTENTION_GRAD_INPUTS.DEEPATTN_ATTENTION_SLOT_OUTPUTS
    .DEEPATTN_ATTENTION_PARAMETER_OUTPUTS.SetShapeFn([](InferenceContext* c) -> absl::Status {
      SetShapesLike(c, 0, kEmbedding, 3);
      SetShapesLike(c, 3, kParameters, kNumParameters);
      return absl::OkStatus();
    });

REGISTER_OP("DeepattnGatedAttentionTangent")
    .DEEPATTN_ATTENTION_INPUTS.Input("kept: T")
    .DEEPATTN_ATTENTION_BARS.Output("tangent: T")
    .Output("state: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      c->set_output(0, c->input(kEmbedding));
      c->set_output(1, c->Vector(InferenceContext::kUnknownDim));
      return absl::OkStatus();
    });

REGISTER_OP("DeepattnGatedAttentionReverse")
    .DEEPATTN_ATTENTION_GRAD_INPUTS.DEEPATTN_ATTENTION_BARS.Input("state: T")
    .Input("bar_output: T")
    .DEEPATTN_ATTENTION_SLOT_OUTPUTS.DEEPATTN_ATTENTION_PARAMETER_OUTPUTS.SetShapeFn(
        [](InferenceContext* c) -> absl::Status {
          SetShapesLike(c, 0, kEmbedding, 3);
          SetShapesLike(c, 3, kParameters, kNumParameters);
          return absl::OkStatus();
        });

#undef DEEPATTN_ATTENTION_INPUTS
#undef DEEPATTN_ATTENTION_GRAD_INPUTS
#undef DEEPATTN_ATTENTION_BARS
#undef DEEPATTN_ATTENTION_SLOT_OUTPUTS
#undef DEEPATTN_ATTENTION_PARAMETER_OUTPUTS

#define DEEPATTN_REGISTER_PASS(name, T, ...)          \
  DEEPATTN_REGISTER("DeepattnGatedAttention" name, T, \
                    AttentionOp<T, DEEPATTN_ATTENTION_##__VA_ARGS__>)
#define DEEPATTN_REGISTER_ALL(T)                         \
  DEEPATTN_REGISTER_PASS("", T, FORWARD);                \
  DEEPATTN_REGISTER_PASS("Grad", T, GRADIENT);           \
  DEEPATTN_REGISTER_PASS("FullGrad", T, GRADIENT, true); \
  DEEPATTN_REGISTER_PASS("Tangent", T, TANGENT);         \
  DEEPATTN_REGISTER_PASS("Reverse", T, REVERSE)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL
#undef DEEPATTN_REGISTER_PASS

}  // namespace
}  // namespace deepattn
