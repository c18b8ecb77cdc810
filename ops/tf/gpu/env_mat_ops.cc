// ProdEnvMatAMix and ProdEnvMatA on a GPU.
#include "device_list.h"
#include "tensorflow/core/platform/mutex.h"
#include "tf/env_mat_op.h"

namespace deepattn {
namespace {

template <typename T, bool mixed>
class EnvMatGpuOp : public EnvMatOp<T, mixed> {
 public:
  explicit EnvMatGpuOp(OpKernelConstruction* context) : EnvMatOp<T, mixed>(context) {
    const std::string suffix = kSuffix<T>;
    OP_REQUIRES_OK(context, env_mat_.Find("deepattn_cuda_env_mat_" + suffix));
    OP_REQUIRES_OK(context, workspace_.Find("deepattn_cuda_env_mat_workspace_" + suffix));
    OP_REQUIRES_OK(context, list_.Find());
  }

 protected:
  absl::Status Run(OpKernelContext* context, const EnvMatArguments<T>& a) override {
    const tensorflow::mutex_lock lock(mutex_);
    deepattn_cuda_neighbors source;
    TF_RETURN_IF_ERROR(
        list_.Update(context, context->input(4), a.mesh.source, a.shape.nloc, &source));
    UnreadProblem problem;
    TF_RETURN_IF_ERROR(problem.Allocate(context));
    Tensor memory;
    void* workspace;
    const int64_t bytes = workspace_(&a.shape, source.kind);
    TF_RETURN_IF_ERROR(AllocateBytes(context, bytes, &memory, &workspace));
    deepattn_status status = {DEEPATTN_OK, ""};
    env_mat_(&a.shape, &source, a.coord, a.atype, a.box, a.davg, a.dstd, a.descrpt, a.deriv, a.rij,
             a.nlist, a.ntype, a.nmask, problem.get(), workspace, bytes, StreamOf(context),
             &status);
    return ToStatus(status);
  }

 private:
  FunctionOf<T, decltype(deepattn_cuda_env_mat_f32), decltype(deepattn_cuda_env_mat_f64)> env_mat_;
  FunctionOf<T, decltype(deepattn_cuda_env_mat_workspace_f32),
             decltype(deepattn_cuda_env_mat_workspace_f64)>
      workspace_;
  tensorflow::mutex mutex_;
  DeviceList list_;
};

#define DEEPATTN_REGISTER(T)                                  \
  REGISTER_KERNEL_BUILDER(Name("ProdEnvMatAMix")              \
                              .Device(tensorflow::DEVICE_GPU) \
                              .HostMemory("natoms")           \
                              .HostMemory("mesh")             \
                              .TypeConstraint<T>("T"),        \
                          EnvMatGpuOp<T, true>);              \
  REGISTER_KERNEL_BUILDER(Name("ProdEnvMatA")                 \
                              .Device(tensorflow::DEVICE_GPU) \
                              .HostMemory("natoms")           \
                              .HostMemory("mesh")             \
                              .TypeConstraint<T>("T"),        \
                          EnvMatGpuOp<T, false>)

DEEPATTN_REGISTER(float);
DEEPATTN_REGISTER(double);
#undef DEEPATTN_REGISTER

}  // namespace
}  // namespace deepattn
