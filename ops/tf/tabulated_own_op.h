// DeepattnTabulatedContraction and DeepattnTabulatedEmbedding with their gradients, on any device.
#ifndef DEEPATTN_OPS_TF_TABULATED_OWN_OP_H_
#define DEEPATTN_OPS_TF_TABULATED_OWN_OP_H_

#include "tabulated_op.h"

namespace deepattn {

// Places of the inputs; the contraction has the matrix behind them, and gradients `grad` at last.
enum TabulatedInput { kTable, kTableInfo, kRows, kWeight, kIndex, kFactors, kMore };

template <typename T, bool contracted, int pass>
class TabulatedOwnOp : public TabulatedOp<T, pass> {
 public:
  explicit TabulatedOwnOp(OpKernelConstruction* context) : TabulatedOp<T, pass>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("width", &width_));
  }

 protected:
  absl::Status ReadInputs(OpKernelContext* context, TabulatedCall<T>* call) const override {
    const Tensor& table = context->input(kTable);
    const Tensor& rows = context->input(kRows);
    const Tensor& weight = context->input(kWeight);
    const Tensor& index = context->input(kIndex);
    const Tensor& factors = context->input(kFactors);
    deepattn_tabulated_shape& shape = call->shape;
    TF_RETURN_IF_ERROR(RequireShape("table", table, {kAny, kAny, 6, kAny}));
    TF_RETURN_IF_ERROR(RequireShape("table_info", context->input(kTableInfo), {6}));
    TF_RETURN_IF_ERROR(RequireShape("rows", rows, {kAny, kAny}));
    shape.natoms = rows.dim_size(0);
    shape.nnei = rows.dim_size(1);
    shape.ntables = table.dim_size(0);
    shape.nrows = table.dim_size(1);
    shape.stride = table.dim_size(3);
    shape.width = width_;
    shape.contracted = contracted;
    if (shape.ntables < 1 || shape.nrows < 1 || width_ > shape.stride ||
        shape.stride % kTableStride != 0) {
      return InvalidArgument("table must not be empty, and its rows a multiple of ", kTableStride,
                             " that has ", width_, " numbers, not ", table.shape().DebugString());
    }
    TF_RETURN_IF_ERROR(RequireShape("index", index, {shape.natoms, shape.nnei}));
    TF_RETURN_IF_ERROR(RequireShape("factors", factors, {kAny, shape.stride}));
    shape.nfactors = factors.dim_size(0);
    if (shape.ntables > 1 && shape.nfactors > 0 && shape.nfactors != shape.ntables) {
      return InvalidArgument("there are ", shape.ntables, " tables and ", shape.nfactors,
                             " factors; there must be one for each index");
    }
    call->table = this->Data(context, kTable);
    call->range = this->Data(context, kTableInfo);
    call->rows = this->Data(context, kRows);
    call->index = index.flat<int32_t>().data();
    call->factors = this->Data(context, kFactors);
    if (weight.dims() != 1 || weight.dim_size(0) != 0) {
      TF_RETURN_IF_ERROR(RequireShape("weight", weight, {shape.natoms, shape.nnei}));
      call->weight = this->Data(context, kWeight);
    }
    int place = kMore;
    if (contracted) {
      const Tensor& matrix = context->input(place);
      TF_RETURN_IF_ERROR(RequireShape("matrix", matrix, {shape.natoms, shape.nnei, 4}));
      call->matrix = this->Data(context, place++);
    }
    if (pass == kForward) return absl::OkStatus();
    const int64_t second = contracted ? 4 : shape.nnei;
    TF_RETURN_IF_ERROR(RequireShape("grad", context->input(place), {shape.natoms, second, width_}));
    call->grad_output = this->Data(context, place);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, TabulatedCall<T>* call,
                               NoSums*) const override {
    const deepattn_tabulated_shape& shape = call->shape;
    if (pass == kForward) {
      return this->Allocate(context, 0, {shape.natoms, contracted ? 4 : shape.nnei, width_},
                            &call->output);
    }
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kRows, &call->grad_rows));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 1, kWeight, &call->grad_weight));
    if (call->weight == nullptr) call->grad_weight = nullptr;
    if (!contracted) return absl::OkStatus();
    return this->AllocateLike(context, 2, kMore, &call->grad_matrix);
  }

 private:
  int64_t width_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_TABULATED_OWN_OP_H_
