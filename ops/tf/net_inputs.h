// The embedding net of an op: factors, matrices, biases and time steps, one after the other among
// its inputs, and gradients by them among its outputs.
#ifndef DEEPATTN_OPS_TF_NET_INPUTS_H_
#define DEEPATTN_OPS_TF_NET_INPUTS_H_

#include "kernels/common/pair_embedding.h"
#include "op_def.h"
#include "pass_op.h"

namespace deepattn {

// Attributes of the op: nlayers, and offsets, whether the first matrix has them.
template <typename T>
class NetInputs {
 public:
  // Places of the inputs of factors and of the first matrix.
  NetInputs(OpKernelConstruction* context, int factors, int layers)
      : factors_(factors), layers_(layers) {
    OP_REQUIRES_OK(context, context->GetAttr("nlayers", &nlayers_));
    OP_REQUIRES(
        context, nlayers_ <= kMostLayers,
        InvalidArgument("there are ", nlayers_, " layers; at most ", kMostLayers, " are possible"));
    OP_REQUIRES_OK(context, context->GetAttr("offsets", &offsets_));
  }

  bool offsets() const { return offsets_; }
  // The place behind the inputs.
  int end() const { return layers_ + 3 * nlayers_; }

  // Checks and reads them; `shape` has the width of the input.
  absl::Status Read(OpKernelContext* context, deepattn_pair_embedding_shape* shape,
                    EmbeddingParameters<const T>* parameters) const {
    shape->nlayers = nlayers_;
    for (int k = 0; k < nlayers_; ++k) {
      const Tensor& matrix = context->input(layers_ + k);
      const Tensor& step = context->input(layers_ + 2 * nlayers_ + k);
      const bool longer = k == 0 && offsets_;
      TF_RETURN_IF_ERROR(RequireShape("a matrix", matrix, {longer ? kAny : shape->width[k], kAny}));
      if (longer) shape->noffsets = matrix.dim_size(0) - shape->width[0];
      if (longer && shape->noffsets < 1) {
        return InvalidArgument("the first matrix must have a row of offsets behind the ",
                               shape->width[0], " of the input, but has ", matrix.dim_size(0));
      }
      shape->width[k + 1] = matrix.dim_size(1);
      TF_RETURN_IF_ERROR(
          RequireShape("a bias", context->input(layers_ + nlayers_ + k), {shape->width[k + 1]}));
      const bool has_step = step.NumElements() != 0;
      if (has_step) TF_RETURN_IF_ERROR(RequireShape("a time step", step, {shape->width[k + 1]}));
      parameters->matrix[k] = Data(context, layers_ + k);
      parameters->bias[k] = Data(context, layers_ + nlayers_ + k);
      parameters->step[k] = has_step ? Data(context, layers_ + 2 * nlayers_ + k) : nullptr;
    }
    for (int k = 0; k <= nlayers_; ++k) {
      if (shape->width[k] < 1) {
        return InvalidArgument("input and layers must be at least 1 wide, not ", shape->width[k]);
      }
    }
    const Tensor& factors = context->input(factors_);
    TF_RETURN_IF_ERROR(RequireShape("factors", factors, {kAny, shape->width[nlayers_]}));
    shape->nfactors = factors.dim_size(0);
    parameters->factors = Data(context, factors_);
    return absl::OkStatus();
  }

  // Outputs number `output` and on.
  absl::Status AllocateGradients(OpKernelContext* context, int output,
                                 EmbeddingParameters<T>* to) const {
    TF_RETURN_IF_ERROR(AllocateLike(context, output++, factors_, &to->factors));
    T** const lists[] = {to->matrix, to->bias, to->step};
    for (int list = 0; list < 3; ++list) {
      for (int k = 0; k < nlayers_; ++k) {
        const int input = layers_ + list * nlayers_ + k;
        TF_RETURN_IF_ERROR(AllocateLike(context, output++, input, &lists[list][k]));
        if (context->input(input).NumElements() == 0) lists[list][k] = nullptr;
      }
    }
    return absl::OkStatus();
  }

 private:
  static const T* Data(OpKernelContext* context, int input) {
    return context->input(input).template flat<T>().data();
  }

  static absl::Status AllocateLike(OpKernelContext* context, int output, int input, T** data) {
    Tensor* tensor;
    TF_RETURN_IF_ERROR(context->allocate_output(output, context->input(input).shape(), &tensor));
    *data = tensor->flat<T>().data();
    return absl::OkStatus();
  }

  int factors_;
  int layers_;
  int nlayers_ = 0;
  bool offsets_ = false;
};

inline void AddNetInputs(OpDef* op) {
  op->Input("factors: T").Input("matrices: nlayers * T");
  op->Input("biases: nlayers * T").Input("steps: nlayers * T");
}

inline void AddNetOutputs(OpDef* op) {
  op->Output("out_factors: T").Output("out_matrices: nlayers * T");
  op->Output("out_biases: nlayers * T").Output("out_steps: nlayers * T");
}

inline absl::Status CountLayers(InferenceContext* c, int* nlayers) {
  int64_t number;
  TF_RETURN_IF_ERROR(c->GetAttr("nlayers", &number));
  *nlayers = static_cast<int>(number);
  return absl::OkStatus();
}

// The width of the last layer.
inline absl::Status NetWidth(InferenceContext* c, int layers, DimensionHandle* width) {
  int nlayers;
  ShapeHandle bias;
  TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(layers + 2 * nlayers - 1), 1, &bias));
  *width = c->Dim(bias, 0);
  return absl::OkStatus();
}

// The gradients by factors and layers are the outputs from number `first` on.
inline absl::Status SetNetShapes(InferenceContext* c, int first, int factors) {
  int nlayers;
  TF_RETURN_IF_ERROR(CountLayers(c, &nlayers));
  SetShapesLike(c, first, factors, 1 + 3 * nlayers);
  return absl::OkStatus();
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_NET_INPUTS_H_
