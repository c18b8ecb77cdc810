// The base of ops that run one function of the kernels: their inputs, outputs and checks are the
// same on all devices.
#ifndef DEEPATTN_OPS_TF_PASS_OP_H_
#define DEEPATTN_OPS_TF_PASS_OP_H_

#include "launch.h"

// Registers a kernel, a template's instance for T, on the CPU.
#define DEEPATTN_REGISTER(name, T, ...)                                                     \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), \
                          __VA_ARGS__)

namespace deepattn {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;

struct NoSums {};

// `CallType` has the kernel's arguments, `Sums` where gradients by parameters go.
template <typename T, typename CallType, typename Sums = NoSums>
class PassOp : public tensorflow::OpKernel {
 public:
  using Call = CallType;
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) final {
    Call call = {};
    Sums sums;
    OP_REQUIRES_OK(context, ReadInputs(context, &call));
    OP_REQUIRES_OK(context, AllocateOutputs(context, &call, &sums));
    deepattn_status status = {DEEPATTN_OK, ""};
    Execute(context, call, &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 protected:
  // Runs the pass where the op is: here, on the CPU's threads.
  virtual void Execute(OpKernelContext* context, const Call& call, deepattn_status* status) const {
    Run(call, ThreadsOf(context), status);
  }

  // Checks the shapes of all inputs.
  virtual absl::Status ReadInputs(OpKernelContext* context, Call* call) const = 0;
  // `call->sums` is `sums` if the op gives gradients by parameters.
  virtual absl::Status AllocateOutputs(OpKernelContext* context, Call* call, Sums* sums) const = 0;
  virtual void Run(const Call& call, const deepattn_threads& threads,
                   deepattn_status* status) const = 0;

  static const T* Data(OpKernelContext* context, int input) {
    return context->input(input).template flat<T>().data();
  }

  static absl::Status Allocate(OpKernelContext* context, int output, const TensorShape& shape,
                               T** data) {
    Tensor* tensor;
    TF_RETURN_IF_ERROR(context->allocate_output(output, shape, &tensor));
    *data = tensor->flat<T>().data();
    return absl::OkStatus();
  }

  // Output number `output`, of the shape of an input.
  static absl::Status AllocateLike(OpKernelContext* context, int output, int input, T** data) {
    return Allocate(context, output, context->input(input).shape(), data);
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PASS_OP_H_
