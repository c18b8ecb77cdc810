// DeepattnGatedAttention with its gradients on a GPU.
#include "cuda_library.h"
#include "kernels/cuda/attention.h"
#include "tf/attention_op.h"

namespace deepattn {
namespace {

template <typename T, int pass, bool parameters = pass == DEEPATTN_ATTENTION_REVERSE>
class AttentionGpuOp : public AttentionOp<T, pass, parameters> {
 public:
  using typename AttentionOp<T, pass, parameters>::Call;

  explicit AttentionGpuOp(OpKernelConstruction* context)
      : AttentionOp<T, pass, parameters>(context) {
    const std::string name = "deepattn_cuda_attention_", suffix = kSuffix<T>;
    OP_REQUIRES_OK(context, attention_.Find(name + suffix));
    OP_REQUIRES_OK(context, kept_.Find(name + "kept_" + suffix));
    OP_REQUIRES_OK(context, state_.Find(name + "state_" + suffix));
    OP_REQUIRES_OK(context, workspace_.Find(name + "workspace_" + suffix));
  }

 protected:
  void Execute(OpKernelContext* context, const Call& call, deepattn_status* status) const override {
    const int64_t bytes = workspace_(&call.shape, pass, static_cast<int>(parameters));
    UnreadProblem problem;
    Tensor memory;
    void* workspace;
    OP_REQUIRES_OK(context, problem.Allocate(context));
    OP_REQUIRES_OK(context, AllocateBytes(context, bytes, &memory, &workspace));
    attention_(&call, pass, problem.get(), workspace, bytes, StreamOf(context), status);
  }

  // Counts are on the device: there is room for full neighborhoods.
  int64_t KeptSize(const Call& call) const override { return kept_(&call.shape); }
  int64_t StateSize(const Call& call) const override { return state_(&call.shape); }

 private:
  FunctionOf<T, decltype(deepattn_cuda_attention_f32), decltype(deepattn_cuda_attention_f64)>
      attention_;
  CudaFunction<decltype(deepattn_cuda_attention_kept_f32)> kept_;
  CudaFunction<decltype(deepattn_cuda_attention_state_f32)> state_;
  CudaFunction<decltype(deepattn_cuda_attention_workspace_f32)> workspace_;
};

#define DEEPATTN_REGISTER_PASS(name, T, ...)                  \
  REGISTER_KERNEL_BUILDER(Name("DeepattnGatedAttention" name) \
                              .Device(tensorflow::DEVICE_GPU) \
                              .HostMemory("padding")          \
                              .HostMemory("ln_eps")           \
                              .TypeConstraint<T>("T"),        \
                          AttentionGpuOp<T, DEEPATTN_ATTENTION_##__VA_ARGS__>)
#define DEEPATTN_REGISTER_ALL(T)                         \
  DEEPATTN_REGISTER_PASS("", T, FORWARD);                \
  DEEPATTN_REGISTER_PASS("Grad", T, GRADIENT);           \
  DEEPATTN_REGISTER_PASS("FullGrad", T, GRADIENT, true); \
  DEEPATTN_REGISTER_PASS("Tangent", T, TANGENT);         \
  DEEPATTN_REGISTER_PASS("Reverse", T, REVERSE)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL
#undef DEEPATTN_REGISTER_PASS

}  // namespace
}  // namespace deepattn
