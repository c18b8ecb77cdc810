// Ops over tables on a GPU.
#ifndef DEEPATTN_OPS_TF_GPU_TABULATED_GPU_OP_H_
#define DEEPATTN_OPS_TF_GPU_TABULATED_GPU_OP_H_

#include "cuda_library.h"
#include "kernels/cuda/tabulated.h"
#include "tf/tabulated_op.h"

// Registers an op of the class `Op` for T on GPUs.
#define DEEPATTN_REGISTER_GPU(name, T, ...)                                                      \
  REGISTER_KERNEL_BUILDER(                                                                       \
      Name(name).Device(tensorflow::DEVICE_GPU).HostMemory("table_info").TypeConstraint<T>("T"), \
      TabulatedGpuOp<T, __VA_ARGS__>)

namespace deepattn {

// Op is a TabulatedOp of the order.
template <typename T, int order, typename Op>
class TabulatedGpuOp : public Op {
 public:
  using typename Op::Call;

  explicit TabulatedGpuOp(OpKernelConstruction* context) : Op(context) {
    OP_REQUIRES_OK(context, tabulated_.Find(std::string("deepattn_cuda_tabulated_") + kSuffix<T>));
  }

 protected:
  void Execute(OpKernelContext* context, const Call& call, deepattn_status* status) const override {
    UnreadProblem problem;
    OP_REQUIRES_OK(context, problem.Allocate(context));
    tabulated_(&call, order, problem.get(), StreamOf(context), status);
  }

 private:
  FunctionOf<T, decltype(deepattn_cuda_tabulated_f32), decltype(deepattn_cuda_tabulated_f64)>
      tabulated_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_GPU_TABULATED_GPU_OP_H_
