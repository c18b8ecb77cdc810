// DeepattnPairEmbedding with its gradients on a GPU.
#include "gpu_pass_op.h"
#include "kernels/cuda/pair_embedding.h"
#include "tf/pair_embedding_op.h"

namespace deepattn {
namespace {

template <typename T, int pass, bool parameters>
struct EmbeddingKernel {
  FunctionOf<T, decltype(deepattn_cuda_pair_embedding_f32),
             decltype(deepattn_cuda_pair_embedding_f64)>
      embedding;
  CudaFunction<decltype(deepattn_cuda_pair_embedding_workspace_f32)> workspace;

  absl::Status Find() {
    const std::string name = "deepattn_cuda_pair_embedding_", suffix = kSuffix<T>;
    TF_RETURN_IF_ERROR(embedding.Find(name + suffix));
    return workspace.Find(name + "workspace_" + suffix);
  }

  int64_t WorkspaceBytes(const EmbeddingCall<T>& call) const {
    return workspace(&call.shape, pass, static_cast<int>(parameters));
  }

  void Run(const EmbeddingCall<T>& call, const GpuLaunch& launch, deepattn_status* status) const {
    embedding(&call, pass, launch.problem, launch.workspace, launch.bytes, launch.stream, status);
  }
};

template <typename T, int pass, bool parameters = pass == kDoubleBackward>
using EmbeddingGpuOp =
    GpuPassOp<EmbeddingOp<T, pass, parameters>, EmbeddingKernel<T, pass, parameters>>;

#define DEEPATTN_REGISTER_GPU(name, T, ...)                                                 \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_GPU).TypeConstraint<T>("T"), \
                          __VA_ARGS__)

#define DEEPATTN_REGISTER_ALL(T)                                                                 \
  DEEPATTN_REGISTER_GPU("DeepattnPairEmbedding", T, EmbeddingGpuOp<T, kForward>);                \
  DEEPATTN_REGISTER_GPU("DeepattnPairEmbeddingGrad", T, EmbeddingGpuOp<T, kBackward>);           \
  DEEPATTN_REGISTER_GPU("DeepattnPairEmbeddingFullGrad", T, EmbeddingGpuOp<T, kBackward, true>); \
  DEEPATTN_REGISTER_GPU("DeepattnPairEmbeddingGradGrad", T, EmbeddingGpuOp<T, kDoubleBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL
#undef DEEPATTN_REGISTER_GPU

}  // namespace
}  // namespace deepattn
