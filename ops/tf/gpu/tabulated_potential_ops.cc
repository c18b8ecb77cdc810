// DeepattnTabulatedPotential on a GPU.
#include "device_list.h"
#include "kernels/cuda/tabulated_potential.h"
#include "tensorflow/core/platform/mutex.h"
#include "tf/tabulated_potential_op.h"

namespace deepattn {
namespace {

template <typename F, typename T>
class TabulatedPotentialGpuOp : public TabulatedPotentialOp<F, T> {
 public:
  explicit TabulatedPotentialGpuOp(OpKernelConstruction* context)
      : TabulatedPotentialOp<F, T>(context) {
    const std::string name = "deepattn_cuda_tabulated_potential_";
    const std::string suffix = std::is_same_v<F, T> ? kSuffix<F> : "mixed";
    OP_REQUIRES_OK(context, potential_.Find(name + suffix));
    OP_REQUIRES_OK(context, workspace_.Find(name + "workspace_" + suffix));
    OP_REQUIRES_OK(context, list_.Find());
  }

 protected:
  absl::Status Run(OpKernelContext* context, const PotentialInputs<F, T>& inputs) override {
    const tensorflow::mutex_lock lock(mutex_);
    CudaPotentialCall<F, T> call = {inputs.call, {}, inputs.nets.data()};
    const Tensor* mesh;
    TF_RETURN_IF_ERROR(context->input("mesh", &mesh));
    TF_RETURN_IF_ERROR(
        list_.Update(context, *mesh, inputs.mesh.source, call.atoms.nloc, &call.source));
    UnreadProblem problem;
    TF_RETURN_IF_ERROR(problem.Allocate(context));
    Tensor memory;
    void* workspace;
    const int64_t bytes = workspace_(&call);
    TF_RETURN_IF_ERROR(AllocateBytes(context, bytes, &memory, &workspace));
    deepattn_status status = {DEEPATTN_OK, ""};
    potential_(&call, problem.get(), workspace, bytes, StreamOf(context), &status);
    return ToStatus(status);
  }

 private:
  CudaFunction<void(const CudaPotentialCall<F, T>*, deepattn_cuda_problem*, void*, int64_t, void*,
                    deepattn_status*)>
      potential_;
  CudaFunction<int64_t(const CudaPotentialCall<F, T>*)> workspace_;
  tensorflow::mutex mutex_;
  DeviceList list_;
};

#define DEEPATTN_REGISTER_POTENTIAL(F, T)                     \
  REGISTER_KERNEL_BUILDER(Name("DeepattnTabulatedPotential")  \
                              .Device(tensorflow::DEVICE_GPU) \
                              .HostMemory("natoms")           \
                              .HostMemory("mesh")             \
                              .HostMemory("switch_range")     \
                              .HostMemory("table_info")       \
                              .HostMemory("count")            \
                              .TypeConstraint<F>("F")         \
                              .TypeConstraint<T>("T"),        \
                          TabulatedPotentialGpuOp<F, T>)

DEEPATTN_REGISTER_POTENTIAL(float, float);
DEEPATTN_REGISTER_POTENTIAL(double, double);
DEEPATTN_REGISTER_POTENTIAL(double, float);
#undef DEEPATTN_REGISTER_POTENTIAL

}  // namespace
}  // namespace deepattn
