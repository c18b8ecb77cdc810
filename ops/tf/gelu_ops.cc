// GELU and its two derivatives under DeePMD's names, of version 2.2 on and before it.
#include "kernels/cpu/gelu.h"
#include "launch.h"
#include "op_def.h"

namespace deepattn {
namespace {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;

// The inputs of the derivatives begin with the cotangents.
InitOnStartupMarker RegisterOp(const char* name, const std::vector<const char*>& inputs) {
  OpDef op(name);
  op.Attr("T: {float, double} = DT_DOUBLE");
  for (const char* input : inputs) op.Input(std::string(input) + ": T");
  return op.Output("output: T").SetShapeFn(tensorflow::shape_inference::UnchangedShape)();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    RegisterOp("GeluCustom", {"x"}),
    RegisterOp("GeluGradCustom", {"dy", "x"}),
    RegisterOp("GeluGradGradCustom", {"dy", "dy_", "x"}),
    RegisterOp("Gelu", {"x"}),
    RegisterOp("GeluGrad", {"dy", "x"}),
    RegisterOp("GeluGradGrad", {"dy", "dy_", "x"}),
};

// order: 0 for the value, 1 and 2 for the derivatives; the op has order + 1 inputs of one shape.
template <typename T, int order>
class GeluOp : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(order);
    const T* input[order + 1];
    for (int k = 0; k <= order; ++k) {
      OP_REQUIRES(context, context->input(k).shape() == x.shape(),
                  tensorflow::errors::InvalidArgument("the inputs must have one shape, not ",
                                                      context->input(k).shape().DebugString(),
                                                      " and ", x.shape().DebugString()));
      input[k] = context->input(k).template flat<T>().data();
    }
    Tensor* output;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &output));
    T* y = output->flat<T>().data();
    const int64_t size = x.NumElements();
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    if constexpr (order == 0) {
      Pick<T>(deepattn_gelu_f32, deepattn_gelu_f64)(size, input[0], y, &threads, &status);
    } else if constexpr (order == 1) {
      Pick<T>(deepattn_gelu_grad_f32, deepattn_gelu_grad_f64)(size, input[0], input[1], y, &threads,
                                                              &status);
    } else {
      Pick<T>(deepattn_gelu_grad_grad_f32, deepattn_gelu_grad_grad_f64)(
          size, input[0], input[1], input[2], y, &threads, &status);
    }
    OP_REQUIRES_OK(context, ToStatus(status));
  }
};

#define DEEPATTN_REGISTER(T, name, order)                                                   \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), \
                          GeluOp<T, order>)

DEEPATTN_REGISTER(float, "GeluCustom", 0);
DEEPATTN_REGISTER(double, "GeluCustom", 0);
DEEPATTN_REGISTER(float, "GeluGradCustom", 1);
DEEPATTN_REGISTER(double, "GeluGradCustom", 1);
DEEPATTN_REGISTER(float, "GeluGradGradCustom", 2);
DEEPATTN_REGISTER(double, "GeluGradGradCustom", 2);
DEEPATTN_REGISTER(float, "Gelu", 0);
DEEPATTN_REGISTER(double, "Gelu", 0);
DEEPATTN_REGISTER(float, "GeluGrad", 1);
DEEPATTN_REGISTER(double, "GeluGrad", 1);
DEEPATTN_REGISTER(float, "GeluGradGrad", 2);
DEEPATTN_REGISTER(double, "GeluGradGrad", 2);
#undef DEEPATTN_REGISTER

}  // namespace
}  // namespace deepattn
