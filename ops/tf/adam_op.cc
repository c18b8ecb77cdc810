// DeepattnAdam: a step of Adam on all weights of one type.
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cpu/adam.h"
#include "launch.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"

namespace deepattn {
namespace {

using tensorflow::OpInputList;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::Var;
using tensorflow::errors::InvalidArgument;

// The numbers of kernels/cpu/adam.h: rate, 1 - beta_1, 1 - beta_2, left, epsilon, decay, l2.
constexpr int kNumbers = 7;

REGISTER_OP("DeepattnAdam")
    .Attr("T: {float, double}")
    .Attr("n: int >= 1")
    .Input("weights: n * resource")
    .Input("first: n * resource")
    .Input("second: n * resource")
    .Input("grads: n * T")
    .Input("numbers: T")
    .SetIsStateful()
    .SetShapeFn([](tensorflow::shape_inference::InferenceContext*) { return absl::OkStatus(); });

template <typename T>
class AdamOp : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    OpInputList handles[3], grads;
    const char* const names[] = {"weights", "first", "second"};
    for (int k = 0; k < 3; ++k) OP_REQUIRES_OK(context, context->input_list(names[k], &handles[k]));
    OP_REQUIRES_OK(context, context->input_list("grads", &grads));
    const Tensor* numbers;
    OP_REQUIRES_OK(context, context->input("numbers", &numbers));
    OP_REQUIRES_OK(context, RequireShape("numbers", *numbers, {kNumbers}));
    const auto number = numbers->vec<T>();
    AdamStep<T> step = {number(0), number(1), number(2), number(3), number(4),
                        number(5), number(6), 0,         nullptr};
    std::vector<AdamTensor<T>> tensors(grads.size());
    std::vector<Written> written;
    written.reserve(3 * grads.size());
    for (int i = 0; i < grads.size(); ++i) {
      AdamTensor<T>& tensor = tensors[i];
      tensor.size = grads[i].NumElements();
      tensor.grad = grads[i].template flat<T>().data();
      const T** const from[] = {&tensor.weight, &tensor.first, &tensor.second};
      T** const to[] = {&tensor.new_weight, &tensor.new_first, &tensor.new_second};
      for (int k = 0; k < 3; ++k) {
        OP_REQUIRES_OK(context, Open(context, handles[k][i], grads[i], &written));
        *from[k] = written.back().variable->tensor()->template flat<T>().data();
        *to[k] = written.back().target.template flat<T>().data();
      }
    }
    step.ntensors = tensors.size();
    step.tensors = tensors.data();
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<T>(deepattn_adam_f32, deepattn_adam_f64)(&step, &threads, &status);
    OP_REQUIRES_OK(context, ToStatus(status));
    for (Written& one : written) *one.variable->tensor() = one.target;
  }

 private:
  // A variable, locked, and where its new value goes.
  struct Written {
    tensorflow::core::RefCountPtr<Var> variable;
    std::unique_ptr<tensorflow::mutex_lock> lock;
    Tensor target;
  };

  static absl::Status Open(OpKernelContext* context, const Tensor& handle, const Tensor& grad,
                           std::vector<Written>* written) {
    Written one;
    TF_RETURN_IF_ERROR(tensorflow::LookupResource(
        context, handle.scalar<tensorflow::ResourceHandle>()(), &one.variable));
    one.lock = std::make_unique<tensorflow::mutex_lock>(*one.variable->mu());
    const Tensor& value = *one.variable->tensor();
    if (value.dtype() != grad.dtype() || value.shape() != grad.shape()) {
      return InvalidArgument(
          "a gradient must be like its variable, ", tensorflow::DataTypeString(value.dtype()), " ",
          value.shape().DebugString(), ", not ", tensorflow::DataTypeString(grad.dtype()), " ",
          grad.shape().DebugString());
    }
    // Whoever has read the variable keeps what was read.
    if (value.RefCountIsOne()) {
      one.target = value;
    } else {
      TF_RETURN_IF_ERROR(context->allocate_temp(value.dtype(), value.shape(), &one.target));
    }
    written->push_back(std::move(one));
    return absl::OkStatus();
  }
};

#define DEEPATTN_REGISTER_ADAM(T) \
  REGISTER_KERNEL_BUILDER(        \
      Name("DeepattnAdam").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), AdamOp<T>)

DEEPATTN_REGISTER_ADAM(float);
DEEPATTN_REGISTER_ADAM(double);
#undef DEEPATTN_REGISTER_ADAM

}  // namespace
}  // namespace deepattn
