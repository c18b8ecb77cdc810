// DeepattnPairAttention with its gradients.
#ifndef DEEPATTN_OPS_TF_PAIR_ATTENTION_OP_H_
#define DEEPATTN_OPS_TF_PAIR_ATTENTION_OP_H_

#include "kernels/cpu/pair_attention.h"
#include "pass_op.h"

namespace deepattn {

// Places of the inputs; all ops begin with the same ones.
enum PairAttentionInput {
  kFeatures,
  kVectors,
  kWeight,
  kPadding,
  kScoreMatrix,
  kMessageMatrix,
  kGrad,       // of the gradients
  kGradGrads,  // of the gradient's gradient
};

// One pass, with gradients by the parameters or without.
template <typename T, int pass, bool parameters = pass == kDoubleBackward>
class PairAttentionOp : public PassOp<T, PairAttentionCall<T>, PairAttentionParameters<T>> {
 public:
  using Call = PairAttentionCall<T>;
  using Sums = PairAttentionParameters<T>;

  explicit PairAttentionOp(OpKernelConstruction* context) : PassOp<T, Call, Sums>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("gate", &gate_));
    OP_REQUIRES_OK(context, context->GetAttr("smooth", &smooth_));
  }

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor& features = context->input(kFeatures);
    const Tensor& score = context->input(kScoreMatrix);
    TF_RETURN_IF_ERROR(RequireShape("features", features, {kAny, kAny, kAny}));
    const int64_t natoms = features.dim_size(0), nnei = features.dim_size(1);
    const int64_t width = features.dim_size(2);
    TF_RETURN_IF_ERROR(RequireShape("score_matrix", score, {kAny, width, width}));
    const int64_t heads = score.dim_size(0);
    if (width < 1 || heads < 1) {
      return InvalidArgument("features and heads must be at least 1, not ", width, " and ", heads);
    }
    TF_RETURN_IF_ERROR(
        RequireShape("message_matrix", context->input(kMessageMatrix), {heads, width, width}));
    TF_RETURN_IF_ERROR(RequireShape("vectors", context->input(kVectors), {natoms, nnei, 3}));
    TF_RETURN_IF_ERROR(RequireShape("weight", context->input(kWeight), {natoms, nnei}));
    TF_RETURN_IF_ERROR(RequireShape("padding", context->input(kPadding), {}));
    call->shape = {natoms, nnei, width, heads, gate_, smooth_};
    call->features = this->Data(context, kFeatures);
    call->vectors = this->Data(context, kVectors);
    call->weight = this->Data(context, kWeight);
    call->padding = context->input(kPadding).scalar<T>()();
    call->parameters = {this->Data(context, kScoreMatrix), this->Data(context, kMessageMatrix)};
    if (pass == kForward) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("grad", context->input(kGrad), {natoms, nnei, width}));
    call->grad_output = this->Data(context, kGrad);
    if (pass == kBackward) return absl::OkStatus();
    const int place = kGradGrads;
    TF_RETURN_IF_ERROR(RequireShape("bar_features", context->input(place), {natoms, nnei, width}));
    TF_RETURN_IF_ERROR(RequireShape("bar_vectors", context->input(place + 1), {natoms, nnei, 3}));
    TF_RETURN_IF_ERROR(RequireShape("bar_weight", context->input(place + 2), {natoms, nnei}));
    call->grad_grad_features = this->Data(context, place);
    call->grad_grad_vectors = this->Data(context, place + 1);
    call->grad_grad_weight = this->Data(context, place + 2);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, Sums* sums) const override {
    if (pass == kForward) return this->AllocateLike(context, 0, kFeatures, &call->output);
    int output = 0;
    if (pass == kDoubleBackward) {
      TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kGrad, &call->grad_grad_output));
    }
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kFeatures, &call->grad_features));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kVectors, &call->grad_vectors));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kWeight, &call->grad_weight));
    if (!parameters) return absl::OkStatus();
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kScoreMatrix, &sums->score));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kMessageMatrix, &sums->message));
    call->grad_parameters = sums;
    return absl::OkStatus();
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_pair_attention_f32, deepattn_pair_attention_f64)(&call, pass, &threads,
                                                                      status);
  }

 private:
  bool gate_, smooth_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PAIR_ATTENTION_OP_H_
