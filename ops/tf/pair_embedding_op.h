// DeepattnPairEmbedding with its gradients, on any device.
#ifndef DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_
#define DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_

#include "kernels/cpu/pair_embedding.h"
#include "pass_op.h"

namespace deepattn {

// Places of the inputs; all ops begin with the same ones. Matrices, biases and time steps of the
// layers follow, then what the gradients need.
enum EmbeddingInput { kRows, kWeight, kIndex, kFactors, kLayers };

template <typename T>
struct EmbeddingTypes;

template <>
struct EmbeddingTypes<float> {
  using Call = deepattn_pair_embedding_call_f32;
  using Sums = deepattn_pair_embedding_sums_f32;
};

template <>
struct EmbeddingTypes<double> {
  using Call = deepattn_pair_embedding_call_f64;
  using Sums = deepattn_pair_embedding_sums_f64;
};

// The pass of an order, with gradients by the parameters or without.
template <typename T, int order, bool parameters = order == 2>
class EmbeddingOp
    : public PassOp<T, typename EmbeddingTypes<T>::Call, typename EmbeddingTypes<T>::Sums> {
 public:
  using Call = typename EmbeddingTypes<T>::Call;
  using Sums = typename EmbeddingTypes<T>::Sums;

  explicit EmbeddingOp(OpKernelConstruction* context) : PassOp<T, Call, Sums>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("nlayers", &nlayers_));
    OP_REQUIRES(context, nlayers_ <= DEEPATTN_MOST_LAYERS,
                InvalidArgument("there are ", nlayers_, " layers; at most ", DEEPATTN_MOST_LAYERS,
                                " are possible"));
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
      TF_RETURN_IF_ERROR(RequireShape("a matrix", matrix, {shape.width[k], kAny}));
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
    TF_RETURN_IF_ERROR(RequireShape("index", context->input(kIndex), {scaled}));
    call->input = this->Data(context, kRows);
    call->weight = this->Data(context, kWeight);
    call->index = context->input(kIndex).flat<int32_t>().data();
    call->parameters.factors = this->Data(context, kFactors);
    if (order < 1) return absl::OkStatus();
    const int grad = GradPlace();
    TF_RETURN_IF_ERROR(RequireShape("grad", context->input(grad), {shape.nrows, width}));
    call->grad = this->Data(context, grad);
    if (order < 2) return absl::OkStatus();
    TF_RETURN_IF_ERROR(
        RequireShape("bar_input", context->input(grad + 1), {shape.nrows, shape.width[0]}));
    TF_RETURN_IF_ERROR(RequireShape("bar_weight", context->input(grad + 2), {scaled}));
    call->bar_input = this->Data(context, grad + 1);
    call->bar_weight = this->Data(context, grad + 2);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, Sums* sums) const override {
    if (order == 0) {
      const deepattn_pair_embedding_shape& shape = call->shape;
      return this->Allocate(context, 0, {shape.nrows, shape.width[nlayers_]}, &call->out);
    }
    int output = 0;
    if (order == 2) {
      TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, GradPlace(), &call->out));
    }
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kRows, &call->out_input));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kWeight, &call->out_weight));
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
    call->sums = sums;
    return absl::OkStatus();
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_pair_embedding_f32, deepattn_pair_embedding_f64)(&call, order, &threads,
                                                                      status);
  }

 private:
  int GradPlace() const { return kLayers + 3 * nlayers_; }

  int nlayers_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PAIR_EMBEDDING_OP_H_
