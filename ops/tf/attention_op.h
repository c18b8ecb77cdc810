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
  kSaved = kParameters + 10,
  kGrad,               // of the backward and the reverse pass
  kGradGrads = kGrad,  // of the tangent pass
  kReverseGradGrads,   // of the reverse pass, as the next
  kSavedTangents = kReverseGradGrads + 3,
  kOuterGradOutput,
};

constexpr int kNumParameters = 10;
inline const char* const kParameterNames[kNumParameters] = {
    "query_matrix", "query_bias", "key_matrix", "key_bias", "value_matrix",
    "value_bias",   "out_matrix", "out_bias",   "gamma",    "beta"};

// One pass, with gradients by the parameters or without.
template <typename T, int pass, bool parameters = pass == kReverse>
class AttentionOp : public PassOp<T, AttentionCall<T>, AttentionParameters<T>> {
 public:
  using Call = AttentionCall<T>;
  using Sums = AttentionParameters<T>;

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
    if (pass == kForward) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("kept", context->input(kSaved), {SavedSize(*call)}));
    call->saved = const_cast<T*>(this->Data(context, kSaved));
    if (pass != kTangent) {
      TF_RETURN_IF_ERROR(RequireShape("grad", context->input(kGrad), {natoms, nnei, width}));
      call->grad_output = this->Data(context, kGrad);
    }
    if (pass == kBackward) return absl::OkStatus();
    const int place = pass == kTangent ? kGradGrads : kReverseGradGrads;
    TF_RETURN_IF_ERROR(RequireShape("bar_embedding", context->input(place), {natoms, nnei, width}));
    TF_RETURN_IF_ERROR(RequireShape("bar_direction", context->input(place + 1), {natoms, nnei, 3}));
    TF_RETURN_IF_ERROR(RequireShape("bar_weight", context->input(place + 2), {natoms, nnei}));
    call->grad_grad_embedding = this->Data(context, place);
    call->grad_grad_direction = this->Data(context, place + 1);
    call->grad_grad_weight = this->Data(context, place + 2);
    if (pass == kTangent) return absl::OkStatus();
    TF_RETURN_IF_ERROR(
        RequireShape("state", context->input(kSavedTangents), {SavedTangentsSize(*call)}));
    TF_RETURN_IF_ERROR(
        RequireShape("bar_output", context->input(kOuterGradOutput), {natoms, nnei, width}));
    call->saved_tangents = const_cast<T*>(this->Data(context, kSavedTangents));
    call->outer_grad_output = this->Data(context, kOuterGradOutput);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, Sums* sums) const override {
    if (pass == kForward) {
      T* link;
      TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kEmbedding, &call->output));
      TF_RETURN_IF_ERROR(this->Allocate(context, 1, {SavedSize(*call)}, &call->saved));
      return this->Allocate(context, 2, {0}, &link);
    }
    if (pass == kTangent) {
      TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kEmbedding, &call->grad_grad_output));
      return this->Allocate(context, 1, {SavedTangentsSize(*call)}, &call->saved_tangents);
    }
    int output = 0;
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kEmbedding, &call->grad_embedding));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kDirection, &call->grad_direction));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kWeight, &call->grad_weight));
    if (!parameters) return absl::OkStatus();
    T** const places[kNumParameters] = {&sums->query_matrix, &sums->query_bias,   &sums->key_matrix,
                                        &sums->key_bias,     &sums->value_matrix, &sums->value_bias,
                                        &sums->out_matrix,   &sums->out_bias,     &sums->gamma,
                                        &sums->beta};
    for (int k = 0; k < kNumParameters; ++k) {
      TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kParameters + k, places[k]));
    }
    call->grad_parameters = sums;
    return absl::OkStatus();
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_attention_f32, deepattn_attention_f64)(&call, pass, &threads, status);
  }

  // How many numbers passes save for each other.
  virtual int64_t SavedSize(const Call& call) const {
    return Pick<T>(deepattn_attention_saved_f32, deepattn_attention_saved_f64)(&call);
  }

  virtual int64_t SavedTangentsSize(const Call& call) const {
    return Pick<T>(deepattn_attention_saved_tangents_f32,
                   deepattn_attention_saved_tangents_f64)(&call);
  }

 private:
  bool dotr_, mask_, smooth_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_ATTENTION_OP_H_
