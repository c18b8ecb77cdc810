// ProdForceSeA, ProdVirialSeA and their gradients on a GPU.
#include "cuda_library.h"
#include "kernels/cuda/force.h"
#include "kernels/cuda/virial.h"
#include "tf/pair_op.h"

namespace deepattn {
namespace {

// The workspace and the problem of a call.
struct PairMemory {
  Tensor tensor;
  void* workspace = nullptr;
  int64_t bytes = 0;
  UnreadProblem problem;

  absl::Status Allocate(OpKernelContext* context, int64_t size) {
    bytes = size;
    TF_RETURN_IF_ERROR(problem.Allocate(context));
    return AllocateBytes(context, bytes, &tensor, &workspace);
  }
};

template <typename T>
class ForceGpuOp : public PairOp {
 public:
  explicit ForceGpuOp(OpKernelConstruction* context) : PairOp(context) {
    const std::string suffix = kSuffix<T>;
    OP_REQUIRES_OK(context, force_.Find("deepattn_cuda_force_" + suffix));
    OP_REQUIRES_OK(context, workspace_.Find("deepattn_cuda_force_workspace_" + suffix));
  }

  void Compute(OpKernelContext* context) override {
    PairInputs<T> in;
    OP_REQUIRES_OK(context, ReadInputs(context, 0, /*has_rij=*/false, &in));
    const deepattn_pairs& pairs = in.pairs;
    Tensor* force;
    OP_REQUIRES_OK(
        context, context->allocate_output(0, TensorShape({pairs.nframes, 3 * pairs.nall}), &force));
    PairMemory memory;
    OP_REQUIRES_OK(context, memory.Allocate(context, workspace_(&pairs)));
    deepattn_status status = {DEEPATTN_OK, ""};
    force_(&pairs, in.net_deriv, in.in_deriv, in.nlist, force->flat<T>().data(),
           memory.problem.get(), memory.workspace, memory.bytes, StreamOf(context), &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  FunctionOf<T, decltype(deepattn_cuda_force_f32), decltype(deepattn_cuda_force_f64)> force_;
  FunctionOf<T, decltype(deepattn_cuda_force_workspace_f32),
             decltype(deepattn_cuda_force_workspace_f64)>
      workspace_;
};

template <typename T>
class ForceGradGpuOp : public PairOp {
 public:
  explicit ForceGradGpuOp(OpKernelConstruction* context) : PairOp(context) {
    OP_REQUIRES_OK(context, grad_.Find(std::string("deepattn_cuda_force_grad_") + kSuffix<T>));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    PairInputs<T> in;
    OP_REQUIRES_OK(context, ReadInputs(context, 1, /*has_rij=*/false, &in));
    OP_REQUIRES_OK(context, ReadForceGrad(grad, &in.pairs));
    Tensor* grad_net;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(1).shape(), &grad_net));
    UnreadProblem problem;
    OP_REQUIRES_OK(context, problem.Allocate(context));
    deepattn_status status = {DEEPATTN_OK, ""};
    grad_(&in.pairs, grad.flat<T>().data(), in.in_deriv, in.nlist, grad_net->flat<T>().data(),
          problem.get(), StreamOf(context), &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  FunctionOf<T, decltype(deepattn_cuda_force_grad_f32), decltype(deepattn_cuda_force_grad_f64)>
      grad_;
};

template <typename T>
class VirialGpuOp : public PairOp {
 public:
  explicit VirialGpuOp(OpKernelConstruction* context) : PairOp(context) {
    const std::string suffix = kSuffix<T>;
    OP_REQUIRES_OK(context, virial_.Find("deepattn_cuda_virial_" + suffix));
    OP_REQUIRES_OK(context, workspace_.Find("deepattn_cuda_virial_workspace_" + suffix));
  }

  void Compute(OpKernelContext* context) override {
    PairInputs<T> in;
    OP_REQUIRES_OK(context, ReadInputs(context, 0, /*has_rij=*/true, &in));
    const deepattn_pairs& pairs = in.pairs;
    Tensor *virial, *atom_virial;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({pairs.nframes, 9}), &virial));
    OP_REQUIRES_OK(context, context->allocate_output(
                                1, TensorShape({pairs.nframes, 9 * pairs.nall}), &atom_virial));
    PairMemory memory;
    OP_REQUIRES_OK(context, memory.Allocate(context, workspace_(&pairs)));
    deepattn_status status = {DEEPATTN_OK, ""};
    virial_(&pairs, in.net_deriv, in.in_deriv, in.rij, in.nlist, virial->flat<T>().data(),
            atom_virial->flat<T>().data(), memory.problem.get(), memory.workspace, memory.bytes,
            StreamOf(context), &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  FunctionOf<T, decltype(deepattn_cuda_virial_f32), decltype(deepattn_cuda_virial_f64)> virial_;
  FunctionOf<T, decltype(deepattn_cuda_virial_workspace_f32),
             decltype(deepattn_cuda_virial_workspace_f64)>
      workspace_;
};

template <typename T>
class VirialGradGpuOp : public PairOp {
 public:
  explicit VirialGradGpuOp(OpKernelConstruction* context) : PairOp(context) {
    OP_REQUIRES_OK(context, grad_.Find(std::string("deepattn_cuda_virial_grad_") + kSuffix<T>));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    PairInputs<T> in;
    OP_REQUIRES_OK(context, ReadInputs(context, 1, /*has_rij=*/true, &in));
    OP_REQUIRES_OK(context, RequireShape("grad", grad, {in.pairs.nframes, 9}));
    Tensor* grad_net;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(1).shape(), &grad_net));
    deepattn_status status = {DEEPATTN_OK, ""};
    grad_(&in.pairs, grad.flat<T>().data(), in.in_deriv, in.rij, in.nlist,
          grad_net->flat<T>().data(), StreamOf(context), &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  FunctionOf<T, decltype(deepattn_cuda_virial_grad_f32), decltype(deepattn_cuda_virial_grad_f64)>
      grad_;
};

#define DEEPATTN_REGISTER_GPU(name, T, ...)                                                  \
  REGISTER_KERNEL_BUILDER(                                                                   \
      Name(name).Device(tensorflow::DEVICE_GPU).HostMemory("natoms").TypeConstraint<T>("T"), \
      __VA_ARGS__)

#define DEEPATTN_REGISTER_ALL(T)                                   \
  DEEPATTN_REGISTER_GPU("ProdForceSeA", T, ForceGpuOp<T>);         \
  DEEPATTN_REGISTER_GPU("ProdForceSeAGrad", T, ForceGradGpuOp<T>); \
  DEEPATTN_REGISTER_GPU("ProdVirialSeA", T, VirialGpuOp<T>);       \
  DEEPATTN_REGISTER_GPU("ProdVirialSeAGrad", T, VirialGradGpuOp<T>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL
#undef DEEPATTN_REGISTER_GPU

}  // namespace
}  // namespace deepattn
