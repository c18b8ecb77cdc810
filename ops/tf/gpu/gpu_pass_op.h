// The base of a PassOp's GPU kernels.
#ifndef DEEPATTN_OPS_TF_GPU_GPU_PASS_OP_H_
#define DEEPATTN_OPS_TF_GPU_GPU_PASS_OP_H_

#include "cuda_library.h"
#include "tf/pass_op.h"

namespace deepattn {

// What functions of the CUDA library take besides their data.
struct GpuLaunch {
  deepattn_cuda_problem* problem;
  void* workspace;
  int64_t bytes;  // of the workspace
  void* stream;
};

// `Base` is a PassOp. `Kernel` has the functions that do its work:
//   absl::Status Find();
//   int64_t WorkspaceBytes(const Call& call) const;
//   void Run(const Call& call, const GpuLaunch& launch, deepattn_status* status) const;
template <typename Base, typename Kernel>
class GpuPassOp : public Base {
 public:
  using typename Base::Call;

  explicit GpuPassOp(OpKernelConstruction* context) : Base(context) {
    OP_REQUIRES_OK(context, kernel_.Find());
  }

 protected:
  void Execute(OpKernelContext* context, const Call& call, deepattn_status* status) const override {
    UnreadProblem problem;
    Tensor memory;
    GpuLaunch launch;
    launch.bytes = kernel_.WorkspaceBytes(call);
    launch.stream = StreamOf(context);
    OP_REQUIRES_OK(context, problem.Allocate(context));
    OP_REQUIRES_OK(context, AllocateBytes(context, launch.bytes, &memory, &launch.workspace));
    launch.problem = problem.get();
    kernel_.Run(call, launch, status);
  }

  const Kernel& kernel() const { return kernel_; }

 private:
  Kernel kernel_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_GPU_GPU_PASS_OP_H_
