// DeepattnPairEmbedding with its gradients, on any device.
#ifndef DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_
#define DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_

#include "kernels/cpu/pair_embedding.h"
#include "pass_op.h"

namespace deepattn {

// Places of the inputs; all ops begin with the same ones. Matrices, biases and time steps of the
// layers follow, then what the gradients need.
enum EmbeddingInput { kRows, kWeight, kIndex, kFactors, kLayers };

// The pass of an pass, with gradients by the parameters or without.
template <typename T, int pass, bool parameters = pass == kDoubleBackward>
class EmbeddingOp : public PassOp<T, EmbeddingCall<T>, EmbeddingParameters<T>> {
 public:
  using Call = EmbeddingCall<T>;
  using Sums = EmbeddingParameters<T>;

  explicit EmbeddingOp(OpKernelConstruction* context) : PassOp<T, Call, Sums>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("nlayers", &nlayers_));
    OP_REQUIRES(
        context, nlayers_ <= kMostLayers,
        InvalidArgument("there are ", nlayers_, " layers; at most ", kMostLayers, " are possible"));
    OP_REQUIRES_OK(context, context->GetAttr("offsets", &offsets_));
  }

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor& rows = context->input(kRows);
    TF_RETURN_IF_ERROR(RequireShape("input", rows, {kAny, kAny}));
    deepattn_pair_embedding_shape& shape = call->shape;
    shape.nrows = rows.dim_size(0);
    shape.nlayers = nlayers_;
    shape.width[0] = rows.dim_size(1);
    for (int k = 0; k < nlayers_; ++k) {
      const Tensor& matrix = context->input(kLayers + k);
      const Tensor& step = context->input(kLayers + 2 * nlayers_ + k);
      const bool longer = k == 0 && offsets_;
      TF_RETURN_IF_ERROR(RequireShape("a matrix", matrix, {longer ? kAny : shape.width[k], kAny}));
      if (longer) shape.noffsets = matrix.dim_size(0) - shape.width[0];
      if (longer && shape.noffsets < 1) {
        return InvalidArgument("the first matrix must have a row of offsets behind the ",
                               shape.width[0], " of the input, but has ", matrix.dim_size(0));
      }
      shape.width[k + 1] = matrix.dim_size(1);
      TF_RETURN_IF_ERROR(
          RequireShape("a bias", context->input(kLayers + nlayers_ + k), {shape.width[k + 1]}));
      const bool has_step = step.NumElements() != 0;
      if (has_step) TF_RETURN_IF_ERROR(RequireShape("a time step", step, {shape.width[k + 1]}));
      call->parameters.matrix[k] = this->Data(context, kLayers + k);
      call->parameters.bias[k] = this->Data(context, kLayers + nlayers_ + k);
      call->parameters.step[k] =
          has_step ? this->Data(context, kLayers + 2 * nlayers_ + k) : nullptr;
    }
    for (int k = 0; k <= nlayers_; ++k) {
      if (shape.width[k] < 1) {
        return InvalidArgument("input and layers must be at least 1 wide, not ", shape.width[k]);
      }
    }
    const Tensor& factors = context->input(kFactors);
    const int64_t width = shape.width[nlayers_];
    TF_RETURN_IF_ERROR(RequireShape("factors", factors, {kAny, width}));
    shape.nfactors = factors.dim_size(0);
    const int64_t scaled = shape.nfactors == 0 ? 0 : shape.nrows;
    TF_RETURN_IF_ERROR(RequireShape("weight", context->input(kWeight), {scaled}));
    const int64_t indexed = offsets_ ? shape.nrows : scaled;
    TF_RETURN_IF_ERROR(RequireShape("index", context->input(kIndex), {indexed}));
    call->input = this->Data(context, kRows);
    call->weight = this->Data(context, kWeight);
    call->index = context->input(kIndex).flat<int32_t>().data();
    call->parameters.factors = this->Data(context, kFactors);
    if (pass == kForward) return absl::OkStatus();
    const int grad = GradPlace();
    TF_RETURN_IF_ERROR(RequireShape("grad", context->input(grad), {shape.nrows, width}));
    call->grad_output = this->Data(context, grad);
    if (pass == kBackward) return absl::OkStatus();
    TF_RETURN_IF_ERROR(
        RequireShape("bar_input", context->input(grad + 1), {shape.nrows, shape.width[0]}));
    TF_RETURN_IF_ERROR(RequireShape("bar_weight", context->input(grad + 2), {scaled}));
    call->grad_grad_input = this->Data(context, grad + 1);
    call->grad_grad_weight = this->Data(context, grad + 2);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, Sums* sums) const override {
    if (pass == kForward) {
      const deepattn_pair_embedding_shape& shape = call->shape;
      return this->Allocate(context, 0, {shape.nrows, shape.width[nlayers_]}, &call->output);
    }
    int output = 0;
    if (pass == kDoubleBackward) {
      TF_RETURN_IF_ERROR(
          this->AllocateLike(context, output++, GradPlace(), &call->grad_grad_output));
    }
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kRows, &call->grad_input));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kWeight, &call->grad_weight));
    if (!parameters) return absl::OkStatus();
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kFactors, &sums->factors));
    T** const lists[] = {sums->matrix, sums->bias, sums->step};
    for (int list = 0; list < 3; ++list) {
      for (int k = 0; k < nlayers_; ++k) {
        const int input = kLayers + list * nlayers_ + k;
        TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, input, &lists[list][k]));
        if (context->input(input).NumElements() == 0) lists[list][k] = nullptr;
      }
    }
    call->grad_parameters = sums;
    return absl::OkStatus();
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_pair_embedding_f32, deepattn_pair_embedding_f64)(&call, pass, &threads,
                                                                      status);
  }

 private:
  int GradPlace() const { return kLayers + 3 * nlayers_; }

  int nlayers_;
  bool offsets_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_
