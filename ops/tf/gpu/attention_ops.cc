// DeepattnGatedAttention with its gradients on a GPU.
#include "gpu_pass_op.h"
#include "kernels/cuda/attention.h"
#include "tf/attention_op.h"

namespace deepattn {
namespace {

template <typename T, int pass, bool parameters>
struct AttentionKernel {
  FunctionOf<T, decltype(deepattn_cuda_attention_f32), decltype(deepattn_cuda_attention_f64)>
      attention;
  CudaFunction<decltype(deepattn_cuda_attention_saved_f32)> saved;
  CudaFunction<decltype(deepattn_cuda_attention_saved_tangents_f32)> saved_tangents;
  CudaFunction<decltype(deepattn_cuda_attention_workspace_f32)> workspace;

  absl::Status Find() {
    const std::string name = "deepattn_cuda_attention_", suffix = kSuffix<T>;
    TF_RETURN_IF_ERROR(attention.Find(name + suffix));
    TF_RETURN_IF_ERROR(saved.Find(name + "saved_" + suffix));
    TF_RETURN_IF_ERROR(saved_tangents.Find(name + "saved_tangents_" + suffix));
    return workspace.Find(name + "workspace_" + suffix);
  }

  int64_t WorkspaceBytes(const AttentionCall<T>& call) const {
    return workspace(&call.shape, pass, static_cast<int>(parameters));
  }

  void Run(const AttentionCall<T>& call, const GpuLaunch& launch, deepattn_status* status) const {
    attention(&call, pass, launch.problem, launch.workspace, launch.bytes, launch.stream, status);
  }
};

template <typename T, int pass, bool parameters = pass == kReverse>
class AttentionGpuOp
    : public GpuPassOp<AttentionOp<T, pass, parameters>, AttentionKernel<T, pass, parameters>> {
 public:
  using GpuPassOp<AttentionOp<T, pass, parameters>,
                  AttentionKernel<T, pass, parameters>>::GpuPassOp;

 protected:
  // Counts are on the device: there is room for full neighborhoods.
  int64_t SavedSize(const AttentionCall<T>& call) const override {
    return this->kernel().saved(&call.shape);
  }
  int64_t SavedTangentsSize(const AttentionCall<T>& call) const override {
    return this->kernel().saved_tangents(&call.shape);
  }
};

#define DEEPATTN_REGISTER_PASS(name, T, ...)                  \
  REGISTER_KERNEL_BUILDER(Name("DeepattnGatedAttention" name) \
                              .Device(tensorflow::DEVICE_GPU) \
                              .HostMemory("padding")          \
                              .HostMemory("ln_eps")           \
                              .TypeConstraint<T>("T"),        \
                          AttentionGpuOp<T, __VA_ARGS__>)
#define DEEPATTN_REGISTER_ALL(T)                          \
  DEEPATTN_REGISTER_PASS("", T, kForward);                \
  DEEPATTN_REGISTER_PASS("Grad", T, kBackward);           \
  DEEPATTN_REGISTER_PASS("FullGrad", T, kBackward, true); \
  DEEPATTN_REGISTER_PASS("Tangent", T, kTangent);         \
  DEEPATTN_REGISTER_PASS("Reverse", T, kReverse)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL
#undef DEEPATTN_REGISTER_PASS

}  // namespace
}  // namespace deepattn
