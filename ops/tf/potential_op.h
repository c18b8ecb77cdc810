// The base of operations that evaluate a descriptor and its fitting nets.
#ifndef DEEPATTN_OPS_TF_POTENTIAL_OP_H_
#define DEEPATTN_OPS_TF_POTENTIAL_OP_H_

#include <string>
#include <vector>

#include "fitting_net.h"

namespace deepattn {

using tensorflow::OpInputList;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;

class PotentialOp : public tensorflow::OpKernel {
 protected:
  explicit PotentialOp(OpKernelConstruction* context) : OpKernel(context) {
    std::string kind;
    OP_REQUIRES_OK(context, context->GetAttr("sel", &sel_));
    OP_REQUIRES_OK(context, context->GetAttr("axis", &axis_));
    OP_REQUIRES_OK(context, context->GetAttr("sees_center", &sees_center_));
    OP_REQUIRES_OK(context, context->GetAttr("switch", &kind));
    OP_REQUIRES_OK(context, context->GetAttr("excluded_is_average", &excluded_is_average_));
    OP_REQUIRES_OK(context, context->GetAttr("copies", &copies_));
    for (const int32_t n : sel_) {
      OP_REQUIRES(context, n >= 0, InvalidArgument("sel must not be negative, not ", n));
      nnei_ += n;
    }
    switch_ = kind == "none"      ? DEEPATTN_NO_SWITCH
              : kind == "inverse" ? DEEPATTN_SWITCH_OF_INVERSE
                                  : DEEPATTN_SWITCH_OF_DISTANCE;
  }

  static const Tensor& Input(OpKernelContext* context, const char* name) {
    const Tensor* tensor;
    context->input(name, &tensor).IgnoreError();  // the op has an input of this name
    return *tensor;
  }

  template <typename Real>
  static absl::Status Read(OpKernelContext* context, const char* name,
                           const std::vector<int64_t>& shape, const Real** data) {
    const Tensor& tensor = Input(context, name);
    TF_RETURN_IF_ERROR(RequireShape(name, tensor, shape));
    *data = tensor.flat<Real>().data();
    return absl::OkStatus();
  }

  // Likewise of what may be missing, as no elements.
  template <typename Real>
  static absl::Status ReadOptional(OpKernelContext* context, const char* name,
                                   const std::vector<int64_t>& shape, const Real** data) {
    *data = nullptr;
    if (Input(context, name).NumElements() == 0) return absl::OkStatus();
    return Read(context, name, shape, data);
  }

  std::vector<int32_t> sel_;
  int64_t nnei_ = 0;  // all slots
  int64_t axis_;
  bool sees_center_;
  bool excluded_is_average_;
  int switch_;
  std::vector<int64_t> copies_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_POTENTIAL_OP_H_
