// ProdForceSeA, ProdVirialSeA and their gradients on a GPU.
#include "gpu_pass_op.h"
#include "kernels/cuda/force.h"
#include "kernels/cuda/virial.h"
#include "tf/pair_op.h"

namespace deepattn {
namespace {

template <typename T, PairKind kind>
struct PairKernel;

template <typename T>
struct PairKernel<T, kForce> {
  FunctionOf<T, decltype(deepattn_cuda_force_f32), decltype(deepattn_cuda_force_f64)> force;
  CudaFunction<decltype(deepattn_cuda_force_workspace_f32)> workspace;

  absl::Status Find() {
    const std::string name = "deepattn_cuda_force_", suffix = kSuffix<T>;
    TF_RETURN_IF_ERROR(force.Find(name + suffix));
    return workspace.Find(name + "workspace_" + suffix);
  }

  int64_t WorkspaceBytes(const PairCall<T>& call) const { return workspace(&call.pairs); }

  void Run(const PairCall<T>& call, const GpuLaunch& launch, deepattn_status* status) const {
    force(&call.pairs, call.net_deriv, call.in_deriv, call.nlist, call.force, launch.problem,
          launch.workspace, launch.bytes, launch.stream, status);
  }
};

template <typename T>
struct PairKernel<T, kForceGrad> {
  FunctionOf<T, decltype(deepattn_cuda_force_grad_f32), decltype(deepattn_cuda_force_grad_f64)>
      grad;

  absl::Status Find() { return grad.Find(std::string("deepattn_cuda_force_grad_") + kSuffix<T>); }

  int64_t WorkspaceBytes(const PairCall<T>&) const { return 0; }

  void Run(const PairCall<T>& call, const GpuLaunch& launch, deepattn_status* status) const {
    grad(&call.pairs, call.grad, call.in_deriv, call.nlist, call.grad_net, launch.problem,
         launch.stream, status);
  }
};

template <typename T>
struct PairKernel<T, kVirial> {
  FunctionOf<T, decltype(deepattn_cuda_virial_f32), decltype(deepattn_cuda_virial_f64)> virial;
  CudaFunction<decltype(deepattn_cuda_virial_workspace_f32)> workspace;

  absl::Status Find() {
    const std::string name = "deepattn_cuda_virial_", suffix = kSuffix<T>;
    TF_RETURN_IF_ERROR(virial.Find(name + suffix));
    return workspace.Find(name + "workspace_" + suffix);
  }

  int64_t WorkspaceBytes(const PairCall<T>& call) const { return workspace(&call.pairs); }

  void Run(const PairCall<T>& call, const GpuLaunch& launch, deepattn_status* status) const {
    virial(&call.pairs, call.net_deriv, call.in_deriv, call.rij, call.nlist, call.virial,
           call.atom_virial, launch.problem, launch.workspace, launch.bytes, launch.stream, status);
  }
};

template <typename T>
struct PairKernel<T, kVirialGrad> {
  FunctionOf<T, decltype(deepattn_cuda_virial_grad_f32), decltype(deepattn_cuda_virial_grad_f64)>
      grad;

  absl::Status Find() { return grad.Find(std::string("deepattn_cuda_virial_grad_") + kSuffix<T>); }

  int64_t WorkspaceBytes(const PairCall<T>&) const { return 0; }

  void Run(const PairCall<T>& call, const GpuLaunch& launch, deepattn_status* status) const {
    grad(&call.pairs, call.grad, call.in_deriv, call.rij, call.nlist, call.grad_net, launch.stream,
         status);
  }
};

#define DEEPATTN_REGISTER_GPU(name, T, kind)                                                 \
  REGISTER_KERNEL_BUILDER(                                                                   \
      Name(name).Device(tensorflow::DEVICE_GPU).HostMemory("natoms").TypeConstraint<T>("T"), \
      GpuPassOp<PairOp<T, kind>, PairKernel<T, kind>>)

#define DEEPATTN_REGISTER_ALL(T)                            \
  DEEPATTN_REGISTER_GPU("ProdForceSeA", T, kForce);         \
  DEEPATTN_REGISTER_GPU("ProdForceSeAGrad", T, kForceGrad); \
  DEEPATTN_REGISTER_GPU("ProdVirialSeA", T, kVirial);       \
  DEEPATTN_REGISTER_GPU("ProdVirialSeAGrad", T, kVirialGrad)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL
#undef DEEPATTN_REGISTER_GPU

}  // namespace
}  // namespace deepattn
