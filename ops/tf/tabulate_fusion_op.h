// TabulateFusionSeAtten and TabulateFusionSeA with their gradients, on any device.
#ifndef DEEPATTN_OPS_TF_TABULATE_FUSION_OP_H_
#define DEEPATTN_OPS_TF_TABULATE_FUSION_OP_H_

#include "tabulated_op.h"

namespace deepattn {

// Places of the inputs. With factors of pairs of types those are next, then `dy` of the gradients.
enum FusionInput { kTable, kTableInfo, kEmX, kEm, kMore };

template <typename T, bool factors, int pass>
class TabulateFusionOp : public TabulatedOp<T, pass> {
 public:
  explicit TabulateFusionOp(OpKernelConstruction* context) : TabulatedOp<T, pass>(context) {
    // Without factors the op has no attribute, and slots are taken to be sorted.
    if (factors) OP_REQUIRES_OK(context, context->GetAttr("is_sorted", &is_sorted_));
    if (pass == kForward) OP_REQUIRES_OK(context, context->GetAttr("last_layer_size", &width_));
  }

 protected:
  absl::Status ReadInputs(OpKernelContext* context, TabulatedCall<T>* call) const override {
    const Tensor& table = context->input(kTable);
    const Tensor& em = context->input(kEm);
    deepattn_tabulated_shape& shape = call->shape;
    const int64_t numbers = width_ == kAny ? kAny : 6 * width_;
    TF_RETURN_IF_ERROR(RequireShape("table", table, {kAny, numbers}));
    TF_RETURN_IF_ERROR(RequireShape("table_info", context->input(kTableInfo), {6}));
    TF_RETURN_IF_ERROR(RequireShape("em", em, {kAny, kAny, 4}));
    shape.natoms = em.dim_size(0);
    shape.nnei = em.dim_size(1);
    shape.ntables = 1;
    shape.nrows = table.dim_size(0);
    shape.width = shape.stride = table.dim_size(1) / 6;
    shape.contracted = shape.stock = true;
    shape.is_sorted = is_sorted_;
    if (shape.nrows < 1 || shape.width < 1 || table.dim_size(1) % 6 != 0) {
      return InvalidArgument("table must have rows of 6 numbers for each neuron, not the shape ",
                             table.shape().DebugString());
    }
    const int64_t slots = shape.natoms * shape.nnei;
    TF_RETURN_IF_ERROR(RequireShape("em_x", context->input(kEmX), {slots, 1}));
    call->table = this->Data(context, kTable);
    call->range = this->Data(context, kTableInfo);
    call->rows = this->Data(context, kEmX);
    call->matrix = this->Data(context, kEm);
    int place = kMore;
    if (factors) {
      TF_RETURN_IF_ERROR(RequireShape("two_embed", context->input(place), {slots, shape.width}));
      shape.nfactors = slots;
      call->factors = this->Data(context, place++);
    }
    if (pass == kForward) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("dy", context->input(place), {shape.natoms, 4, shape.width}));
    call->grad_output = this->Data(context, place);
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, TabulatedCall<T>* call,
                               NoSums*) const override {
    const deepattn_tabulated_shape& shape = call->shape;
    if (pass == kForward) {
      return this->Allocate(context, 0, {shape.natoms, 4, shape.width}, &call->output);
    }
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 0, kEmX, &call->grad_rows));
    TF_RETURN_IF_ERROR(this->AllocateLike(context, 1, kEm, &call->grad_matrix));
    if (!factors) return absl::OkStatus();
    return this->AllocateLike(context, 2, kMore, &call->grad_factors);
  }

 private:
  bool is_sorted_ = true;
  int64_t width_ = kAny;  // the gradients take it from the table
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_TABULATE_FUSION_OP_H_
