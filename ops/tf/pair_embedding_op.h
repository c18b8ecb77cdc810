// DeepattnPairEmbedding with its gradients, on any device.
#ifndef DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_
#define DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_

#include "kernels/cpu/pair_embedding.h"
#include "net_inputs.h"
#include "pass_op.h"

namespace deepattn {

// Places of the inputs; all ops begin with the same ones. Matrices, biases and time steps of the
// layers follow, then what the gradients need.
enum EmbeddingInput { kRows, kWeight, kIndex, kFactors, kLayers };

// The pass of an op, with gradients by the parameters or without.
template <typename T, int pass, bool parameters = pass == kDoubleBackward>
class EmbeddingOp : public PassOp<T, EmbeddingCall<T>, EmbeddingParameters<T>> {
 public:
  using Call = EmbeddingCall<T>;
  using Sums = EmbeddingParameters<T>;

  explicit EmbeddingOp(OpKernelConstruction* context)
      : PassOp<T, Call, Sums>(context), net_(context, kFactors, kLayers) {}

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor& rows = context->input(kRows);
    TF_RETURN_IF_ERROR(RequireShape("input", rows, {kAny, kAny}));
    deepattn_pair_embedding_shape& shape = call->shape;
    shape.nrows = rows.dim_size(0);
    shape.width[0] = rows.dim_size(1);
    TF_RETURN_IF_ERROR(net_.Read(context, &shape, &call->parameters));
    const int64_t width = shape.width[shape.nlayers];
    const int64_t scaled = shape.nfactors == 0 ? 0 : shape.nrows;
    TF_RETURN_IF_ERROR(RequireShape("weight", context->input(kWeight), {scaled}));
    const int64_t indexed = net_.offsets() ? shape.nrows : scaled;
    TF_RETURN_IF_ERROR(RequireShape("index", context->input(kIndex), {indexed}));
    call->input = this->Data(context, kRows);
    call->weight = this->Data(context, kWeight);
    call->index = context->input(kIndex).flat<int32_t>().data();
    if (pass == kForward) return absl::OkStatus();
    const int grad = net_.end();
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
      return this->Allocate(context, 0, {shape.nrows, shape.width[shape.nlayers]}, &call->output);
    }
    int output = 0;
    if (pass == kDoubleBackward) {
      TF_RETURN_IF_ERROR(
          this->AllocateLike(context, output++, net_.end(), &call->grad_grad_output));
    }
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kRows, &call->grad_input));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kWeight, &call->grad_weight));
    if (!parameters) return absl::OkStatus();
    TF_RETURN_IF_ERROR(net_.AllocateGradients(context, output, sums));
    call->grad_parameters = sums;
    return absl::OkStatus();
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_pair_embedding_f32, deepattn_pair_embedding_f64)(&call, pass, &threads,
                                                                      status);
  }

 private:
  NetInputs<T> net_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_
