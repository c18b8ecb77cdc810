// DeepattnGatedAttention with its gradients, on any device.
#ifndef DEEPATTN_OPS_TF_ATTENTION_OP_H_
#define DEEPATTN_OPS_TF_ATTENTION_OP_H_

#include <string>
#include <vector>

#include "kernels/cpu/attention.h"
#include "pass_op.h"

namespace deepattn {

// Places of the inputs; all ops begin with the same ones.
enum AttentionInput {
  kEmbedding,
  kDirection,
  kWeight,
  kCount,
  kPadding,
  kLnEps,
  kParameters,
  kKept = kParameters + 10,
  kGrad,          // of the gradient and the reverse pass
  kBars = kGrad,  // of the tangent pass
  kReverseBars,   // of the reverse pass, as the next
  kState = kReverseBars + 3,
  kBarOutput,
};

constexpr int kNumParameters = 10;
inline const char* const kParameterNames[kNumParameters] = {
    "query_matrix", "query_bias", "key_matrix", "key_bias", "value_matrix",
    "value_bias",   "out_matrix", "out_bias",   "gamma",    "beta"};

template <typename T>
struct AttentionTypes;

template <>
struct AttentionTypes<float> {
  using Call = deepattn_attention_call_f32;
  using Sums = deepattn_attention_sums_f32;
};

template <>
struct AttentionTypes<double> {
  using Call = deepattn_attention_call_f64;
  using Sums = deepattn_attention_sums_f64;
};

// One pass, with gradients by the parameters or without.
template <typename T, int pass, bool parameters = pass == DEEPATTN_ATTENTION_REVERSE>
class AttentionOp
    : public PassOp<T, typename AttentionTypes<T>::Call, typename AttentionTypes<T>::Sums> {
 public:
  using Call = typename AttentionTypes<T>::Call;
  using Sums = typename AttentionTypes<T>::Sums;

  explicit AttentionOp(OpKernelConstruction* context) : PassOp<T, Call, Sums>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("dotr", &dotr_));
    OP_REQUIRES_OK(context, context->GetAttr("mask", &mask_));
    OP_REQUIRES_OK(context, context->GetAttr("smooth", &smooth_));
  }

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
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
    const T* values[kNumParameters];
    for (int k = 0; k < kNumParameters; ++k) {
      std::vector<int64_t> shape = {k < 6 ? attn : width};
      if (k < 8 && k % 2 == 0) shape.insert(shape.begin(), k < 6 ? width : attn);
      TF_RETURN_IF_ERROR(RequireShape(kParameterNames[k], context->input(kParameters + k), shape));
      values[k] = this->Data(context, kParameters + k);
    }
    call->shape = {natoms, nnei, width, attn, dotr_, mask_, smooth_};
    call->embedding = this->Data(context, kEmbedding);
    call->direction = this->Data(context, kDirection);
    call->weight = this->Data(context, kWeight);
    call->count = context->input(kCount).flat<int32_t>().data();
    call->padding = context->input(kPadding).scalar<T>()();
    call->ln_eps = context->input(kLnEps).scalar<T>()();
    call->parameters = {values[0], values[1], values[2], values[3], values[4],
                        values[5], values[6], values[7], values[8], values[9]};
    if (pass == DEEPATTN_ATTENTION_FORWARD) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("kept", context->input(kKept), {KeptSize(*call)}));
    call->kept = const_cast<T*>(this->Data(context, kKept));
    if (pass != DEEPATTN_ATTENTION_TANGENT) {
      TF_RETURN_IF_ERROR(RequireShape("grad", context->input(kGrad), {natoms, nnei, width}));
      call->grad = this->Data(context, kGrad);
    }
    if (pass == DEEPATTN_ATTENTION_GRADIENT) return absl::OkStatus();
    const int bars = pass == DEEPATTN_ATTENTION_TANGENT ? kBars : kReverseBars;
    TF_RETURN_IF_ERROR(RequireShape("bar_embedding", context->input(bars), {natoms, nnei, width}));
    TF_RETURN_IF_ERROR(RequireShape("bar_direction", context->input(bars + 1), {natoms, nnei, 3}));
    TF_RETURN_IF_ERROR(RequireShape("bar_weight", context->input(bars + 2), {natoms, nnei}));
    call->bar_embedding = this->Data(context, bars);
    call->bar_direction = this->Data(context, bars + 1);
    call->bar_weight = this->Data(context, bars + 2);
    if (pass == DEEPATTN_ATTENTION_TANGENT) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("state", context->input(kState), {StateSize(*call)}));
    TF_RETURN_IF_ERROR(
        RequireShape("bar_output", context->input(kBarOutput), {natoms, nnei, width}));
    call->state = const_cast<T*>(this->Data(context, kState));
    call->bar_output = this->Data(context, kBarOutput);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, Sums* sums) const override {
    if (pass == DEEPATTN_ATTENTION_FORWARD) {
      T* link;
      TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kEmbedding, &call->out));
      TF_RETURN_IF_ERROR(this->Allocate(context, 1, {KeptSize(*call)}, &call->kept));
      return this->Allocate(context, 2, {0}, &link);
    }
    if (pass == DEEPATTN_ATTENTION_TANGENT) {
      TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kEmbedding, &call->out));
      return this->Allocate(context, 1, {StateSize(*call)}, &call->state);
    }
    int output = 0;
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kEmbedding, &call->out_embedding));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kDirection, &call->out_direction));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kWeight, &call->out_weight));
    if (!parameters) return absl::OkStatus();
    T** const places[kNumParameters] = {&sums->query_matrix, &sums->query_bias,   &sums->key_matrix,
                                        &sums->key_bias,     &sums->value_matrix, &sums->value_bias,
                                        &sums->out_matrix,   &sums->out_bias,     &sums->gamma,
                                        &sums->beta};
    for (int k = 0; k < kNumParameters; ++k) {
      TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kParameters + k, places[k]));
    }
    call->sums = sums;
    return absl::OkStatus();
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_attention_f32, deepattn_attention_f64)(&call, pass, &threads, status);
  }

  // How many numbers passes leave for each other.
  virtual int64_t KeptSize(const Call& call) const {
    return Pick<T>(deepattn_attention_kept_f32, deepattn_attention_kept_f64)(&call);
  }

  virtual int64_t StateSize(const Call& call) const {
    return Pick<T>(deepattn_attention_state_f32, deepattn_attention_state_f64)(&call);
  }

 private:
  bool dotr_, mask_, smooth_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_ATTENTION_OP_H_
