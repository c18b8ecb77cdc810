// The base of ops that run a pass of a vectorised kernel: forward, gradient, its gradient.
#ifndef DEEPATTN_OPS_TF_PASS_OP_H_
#define DEEPATTN_OPS_TF_PASS_OP_H_

#include "launch.h"

namespace deepattn {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;

// `Inputs` is the kernel's structure of that name.
template <typename T, typename Inputs>
class PassOp : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) final {
    Inputs inputs;
    OP_REQUIRES_OK(context, ReadInputs(context, &inputs));
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    OP_REQUIRES_OK(context, Run(context, inputs, threads, &status));
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 protected:
  // Checks the shapes of all inputs.
  virtual absl::Status ReadInputs(OpKernelContext* context, Inputs* inputs) const = 0;
  virtual absl::Status Run(OpKernelContext* context, const Inputs& inputs,
                           const deepattn_threads& threads, deepattn_status* status) = 0;

  static const T* Data(OpKernelContext* context, int input) {
    return context->input(input).template flat<T>().data();
  }

  // Output number `output`, of the shape of an input.
  static absl::Status AllocateLike(OpKernelContext* context, int output, int input, T** data) {
    Tensor* tensor;
    TF_RETURN_IF_ERROR(context->allocate_output(output, context->input(input).shape(), &tensor));
    *data = tensor->flat<T>().data();
    return absl::OkStatus();
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PASS_OP_H_
