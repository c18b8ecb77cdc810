// DeepattnGatedAttention, its gradient with and without parameters, and the gradient's gradient.
#include <string>

#include "kernels/cpu/attention.h"
#include "pass_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

// Places of the inputs; all ops begin with the same ones.
enum Input {
  kEmbedding,
  kDirection,
  kWeight,
  kCount,
  kPadding,
  kLnEps,
  kParameters,
  kKept = kParameters + 10,
  kGrad,
  kBarEmbedding,
  kBarDirection,
  kBarWeight,
};

constexpr int kNumParameters = 10;
const char* const kParameterNames[kNumParameters] = {
    "query_matrix", "query_bias", "key_matrix", "key_bias", "value_matrix",
    "value_bias",   "out_matrix", "out_bias",   "gamma",    "beta"};

// Outputs number `first` and on have the shapes of `number` inputs beginning with `input`.
void SetShapesLike(InferenceContext* c, int first, int input, int number) {
  for (int k = 0; k < number; ++k) c->set_output(first + k, c->input(input + k));
}

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

REGISTER_OP("DeepattnGatedAttention")
    .DEEPATTN_ATTENTION_INPUTS.Output("output: T")
    .Output("kept: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      c->set_output(0, c->input(kEmbedding));
      c->set_output(1, c->Vector(InferenceContext::kUnknownDim));
      return absl::OkStatus();
    });

REGISTER_OP("DeepattnGatedAttentionGrad")
    .DEEPATTN_ATTENTION_GRAD_INPUTS.DEEPATTN_ATTENTION_SLOT_OUTPUTS.SetShapeFn(
        [](InferenceContext* c) -> absl::Status {
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

REGISTER_OP("DeepattnGatedAttentionGradGrad")
    .DEEPATTN_ATTENTION_GRAD_INPUTS.Input("bar_embedding: T")
    .Input("bar_direction: T")
    .Input("bar_weight: T")
    .Output("out_grad: T")
    .DEEPATTN_ATTENTION_SLOT_OUTPUTS.DEEPATTN_ATTENTION_PARAMETER_OUTPUTS.SetShapeFn(
        [](InferenceContext* c) -> absl::Status {
          c->set_output(0, c->input(kGrad));
          SetShapesLike(c, 1, kEmbedding, 3);
          SetShapesLike(c, 4, kParameters, kNumParameters);
          return absl::OkStatus();
        });

#undef DEEPATTN_ATTENTION_INPUTS
#undef DEEPATTN_ATTENTION_GRAD_INPUTS
#undef DEEPATTN_ATTENTION_SLOT_OUTPUTS
#undef DEEPATTN_ATTENTION_PARAMETER_OUTPUTS

template <typename T>
struct CallTypes;

template <>
struct CallTypes<float> {
  using Inputs = deepattn_attention_inputs_f32;
  using Sums = deepattn_attention_sums_f32;
};

template <>
struct CallTypes<double> {
  using Inputs = deepattn_attention_inputs_f64;
  using Sums = deepattn_attention_sums_f64;
};

// What the four ops share: reading and checking inputs, making outputs like inputs.
template <typename T>
class AttentionOp : public PassOp<T, typename CallTypes<T>::Inputs> {
 public:
  using Inputs = typename CallTypes<T>::Inputs;
  using Sums = typename CallTypes<T>::Sums;

  explicit AttentionOp(OpKernelConstruction* context) : PassOp<T, Inputs>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("dotr", &dotr_));
    OP_REQUIRES_OK(context, context->GetAttr("mask", &mask_));
    OP_REQUIRES_OK(context, context->GetAttr("smooth", &smooth_));
  }

 protected:
  static int64_t KeptSize(const Inputs& inputs) {
    return Pick<T>(deepattn_attention_kept_f32, deepattn_attention_kept_f64)(&inputs);
  }

  // The outputs number `first` and on, of the shapes of the parameters.
  absl::Status AllocateSums(OpKernelContext* context, int first, Sums* sums) const {
    T** const places[kNumParameters] = {&sums->query_matrix, &sums->query_bias,   &sums->key_matrix,
                                        &sums->key_bias,     &sums->value_matrix, &sums->value_bias,
                                        &sums->out_matrix,   &sums->out_bias,     &sums->gamma,
                                        &sums->beta};
    for (int k = 0; k < kNumParameters; ++k) {
      TF_RETURN_IF_ERROR(this->AllocateLike(context, first + k, kParameters + k, places[k]));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadInputs(OpKernelContext* context, Inputs* inputs) const override {
    const Tensor& embedding = context->input(kEmbedding);
    const Tensor& query = context->input(kParameters);
    TF_RETURN_IF_ERROR(RequireShape("embedding", embedding, {kAny, kAny, kAny}));
    TF_RETURN_IF_ERROR(RequireShape("query_matrix", query, {embedding.dim_size(2), kAny}));
    const int64_t natoms = embedding.dim_size(0), nnei = embedding.dim_size(1);
    const int64_t width = embedding.dim_size(2), attn = query.dim_size(1);
    if (width < 1 || attn < 1) {
      return InvalidArgument("the embedding and the attention must be at least 1 wide, not ", width,
                             " and ", attn);
    }
    TF_RETURN_IF_ERROR(RequireShape("direction", context->input(kDirection), {natoms, nnei, 3}));
    TF_RETURN_IF_ERROR(RequireShape("weight", context->input(kWeight), {natoms, nnei}));
    TF_RETURN_IF_ERROR(RequireShape("count", context->input(kCount), {natoms}));
    TF_RETURN_IF_ERROR(RequireShape("padding", context->input(kPadding), {}));
    TF_RETURN_IF_ERROR(RequireShape("ln_eps", context->input(kLnEps), {}));
    const T* parameters[kNumParameters];
    for (int k = 0; k < kNumParameters; ++k) {
      std::vector<int64_t> shape = {k < 6 ? attn : width};
      if (k < 8 && k % 2 == 0) shape.insert(shape.begin(), k < 6 ? width : attn);
      TF_RETURN_IF_ERROR(RequireShape(kParameterNames[k], context->input(kParameters + k), shape));
      parameters[k] = this->Data(context, kParameters + k);
    }
    if (context->num_inputs() > kGrad) {
      TF_RETURN_IF_ERROR(RequireShape("grad", context->input(kGrad), {natoms, nnei, width}));
    }
    if (context->num_inputs() > kBarWeight) {
      TF_RETURN_IF_ERROR(
          RequireShape("bar_embedding", context->input(kBarEmbedding), {natoms, nnei, width}));
      TF_RETURN_IF_ERROR(
          RequireShape("bar_direction", context->input(kBarDirection), {natoms, nnei, 3}));
      TF_RETURN_IF_ERROR(RequireShape("bar_weight", context->input(kBarWeight), {natoms, nnei}));
    }
    *inputs = {{natoms, nnei, width, attn, dotr_, mask_, smooth_},
               this->Data(context, kEmbedding),
               this->Data(context, kDirection),
               this->Data(context, kWeight),
               context->input(kCount).flat<int32_t>().data(),
               context->input(kPadding).scalar<T>()(),
               context->input(kLnEps).scalar<T>()(),
               {parameters[0], parameters[1], parameters[2], parameters[3], parameters[4],
                parameters[5], parameters[6], parameters[7], parameters[8], parameters[9]}};
    if (context->num_inputs() > kGrad) {
      TF_RETURN_IF_ERROR(RequireShape("kept", context->input(kKept), {KeptSize(*inputs)}));
    }
    return absl::OkStatus();
  }

  bool dotr_, mask_, smooth_;
};

template <typename T>
class ForwardOp : public AttentionOp<T> {
 public:
  using AttentionOp<T>::AttentionOp;

 protected:
  absl::Status Run(OpKernelContext* context, const typename AttentionOp<T>::Inputs& inputs,
                   const deepattn_threads& threads, deepattn_status* status) override {
    T* output;
    Tensor* kept;
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kEmbedding, &output));
    TF_RETURN_IF_ERROR(context->allocate_output(1, TensorShape({this->KeptSize(inputs)}), &kept));
    Pick<T>(deepattn_attention_f32, deepattn_attention_f64)(
        &inputs, output, kept->template flat<T>().data(), &threads, status);
    return absl::OkStatus();
  }
};

template <typename T, bool parameters>
class GradOp : public AttentionOp<T> {
 public:
  using AttentionOp<T>::AttentionOp;

 protected:
  absl::Status Run(OpKernelContext* context, const typename AttentionOp<T>::Inputs& inputs,
                   const deepattn_threads& threads, deepattn_status* status) override {
    T *embedding, *direction, *weight;
    typename AttentionOp<T>::Sums sums;
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kEmbedding, &embedding));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 1, kDirection, &direction));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 2, kWeight, &weight));
    if (parameters) TF_RETURN_IF_ERROR(this->AllocateSums(context, 3, &sums));
    Pick<T>(deepattn_attention_grad_f32, deepattn_attention_grad_f64)(
        &inputs, this->Data(context, kKept), this->Data(context, kGrad), embedding, direction,
        weight, parameters ? &sums : nullptr, &threads, status);
    return absl::OkStatus();
  }
};

template <typename T>
class GradGradOp : public AttentionOp<T> {
 public:
  using AttentionOp<T>::AttentionOp;

 protected:
  absl::Status Run(OpKernelContext* context, const typename AttentionOp<T>::Inputs& inputs,
                   const deepattn_threads& threads, deepattn_status* status) override {
    T *grad, *embedding, *direction, *weight;
    typename AttentionOp<T>::Sums sums;
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kGrad, &grad));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 1, kEmbedding, &embedding));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 2, kDirection, &direction));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 3, kWeight, &weight));
    TF_RETURN_IF_ERROR(this->AllocateSums(context, 4, &sums));
    Pick<T>(deepattn_attention_grad_grad_f32, deepattn_attention_grad_grad_f64)(
        &inputs, this->Data(context, kKept), this->Data(context, kGrad),
        this->Data(context, kBarEmbedding), this->Data(context, kBarDirection),
        this->Data(context, kBarWeight), grad, embedding, direction, weight, &sums, &threads,
        status);
    return absl::OkStatus();
  }
};

#define DEEPATTN_REGISTER(name, T, ...)                                                     \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), \
                          __VA_ARGS__)
#define DEEPATTN_REGISTER_ALL(T)                                           \
  DEEPATTN_REGISTER("DeepattnGatedAttention", T, ForwardOp<T>);            \
  DEEPATTN_REGISTER("DeepattnGatedAttentionGrad", T, GradOp<T, false>);    \
  DEEPATTN_REGISTER("DeepattnGatedAttentionFullGrad", T, GradOp<T, true>); \
  DEEPATTN_REGISTER("DeepattnGatedAttentionGradGrad", T, GradGradOp<T>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL
#undef DEEPATTN_REGISTER

}  // namespace
}  // namespace deepattn
