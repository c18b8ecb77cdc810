// Ops over tables on a GPU.
#ifndef DEEPATTN_OPS_TF_GPU_TABULATED_GPU_OP_H_
#define DEEPATTN_OPS_TF_GPU_TABULATED_GPU_OP_H_

#include "gpu_pass_op.h"
#include "kernels/cuda/tabulated.h"
#include "tf/tabulated_op.h"

// Registers an op of the class `Op` for T on GPUs.
#define DEEPATTN_REGISTER_GPU(name, T, ...)                                                      \
  REGISTER_KERNEL_BUILDER(                                                                       \
      Name(name).Device(tensorflow::DEVICE_GPU).HostMemory("table_info").TypeConstraint<T>("T"), \
      TabulatedGpuOp<T, __VA_ARGS__>)

namespace deepattn {

template <typename T, int pass>
struct TabulatedKernel {
  FunctionOf<T, decltype(deepattn_cuda_tabulated_f32), decltype(deepattn_cuda_tabulated_f64)>
      tabulated;

  absl::Status Find() {
    return tabulated.Find(std::string("deepattn_cuda_tabulated_") + kSuffix<T>);
  }

  int64_t WorkspaceBytes(const TabulatedCall<T>&) const { return 0; }

  void Run(const TabulatedCall<T>& call, const GpuLaunch& launch, deepattn_status* status) const {
    tabulated(&call, pass, launch.problem, launch.stream, status);
  }
};

// Op is a TabulatedOp of the pass.
template <typename T, int pass, typename Op>
using TabulatedGpuOp = GpuPassOp<Op, TabulatedKernel<T, pass>>;

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_GPU_TABULATED_GPU_OP_H_
