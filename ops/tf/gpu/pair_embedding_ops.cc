// DeepattnPairEmbedding with its gradients on a GPU.
#include "cuda_library.h"
#include "kernels/cuda/pair_embedding.h"
#include "tf/pair_embedding_op.h"

// Registers a kernel, a template's instance for T, on GPUs.
#define DEEPATTN_REGISTER_GPU(name, T, ...)                                                 \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_GPU).TypeConstraint<T>("T"), \
                          __VA_ARGS__)

namespace deepattn {
namespace {

template <typename T, int order, bool parameters = order == 2>
class EmbeddingGpuOp : public EmbeddingOp<T, order, parameters> {
 public:
  using typename EmbeddingOp<T, order, parameters>::Call;

  explicit EmbeddingGpuOp(OpKernelConstruction* context)
      : EmbeddingOp<T, order, parameters>(context) {
    const std::string name = "deepattn_cuda_pair_embedding_", suffix = kSuffix<T>;
    OP_REQUIRES_OK(context, embedding_.Find(name + suffix));
    OP_REQUIRES_OK(context, workspace_.Find(name + "workspace_" + suffix));
  }

 protected:
  void Execute(OpKernelContext* context, const Call& call, deepattn_status* status) const override {
    const int64_t bytes = workspace_(&call.shape, order, static_cast<int>(parameters));
    UnreadProblem problem;
    Tensor memory;
    void* workspace;
    OP_REQUIRES_OK(context, problem.Allocate(context));
    OP_REQUIRES_OK(context, AllocateBytes(context, bytes, &memory, &workspace));
    embedding_(&call, order, problem.get(), workspace, bytes, StreamOf(context), status);
  }

 private:
  FunctionOf<T, decltype(deepattn_cuda_pair_embedding_f32),
             decltype(deepattn_cuda_pair_embedding_f64)>
      embedding_;
  CudaFunction<decltype(deepattn_cuda_pair_embedding_workspace_f32)> workspace_;
};

#define DEEPATTN_REGISTER_ALL(T)                                                         \
  DEEPATTN_REGISTER_GPU("DeepattnPairEmbedding", T, EmbeddingGpuOp<T, 0>);               \
  DEEPATTN_REGISTER_GPU("DeepattnPairEmbeddingGrad", T, EmbeddingGpuOp<T, 1>);           \
  DEEPATTN_REGISTER_GPU("DeepattnPairEmbeddingFullGrad", T, EmbeddingGpuOp<T, 1, true>); \
  DEEPATTN_REGISTER_GPU("DeepattnPairEmbeddingGradGrad", T, EmbeddingGpuOp<T, 2>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
