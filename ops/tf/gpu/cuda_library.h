// The functions of libdeepattn_cuda.so, which lies beside this library and is opened when an op is
// first put on a GPU, and what their calls need of TensorFlow.
#ifndef DEEPATTN_OPS_TF_GPU_CUDA_LIBRARY_H_
#define DEEPATTN_OPS_TF_GPU_CUDA_LIBRARY_H_

#include <dlfcn.h>

#include <string>

#include "kernels/cuda/runtime.h"
#include "tensorflow/core/framework/device_base.h"
#include "tf/launch.h"
#include "xla/stream_executor/stream.h"

namespace deepattn {

// The open library, or null and why.
struct OpenCudaLibrary {
  void* handle = nullptr;
  std::string problem;

  OpenCudaLibrary() {
    static const int here = 0;
    Dl_info info;
    if (dladdr(&here, &info) == 0) {
      problem = "the folder of this library is not known";
      return;
    }
    const std::string path = info.dli_fname;
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    handle = dlopen((folder + "libdeepattn_cuda.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) problem = dlerror();
  }
};

inline absl::Status FindSymbol(const char* name, void** symbol) {
  static const OpenCudaLibrary library;
  *symbol = library.handle == nullptr ? nullptr : dlsym(library.handle, name);
  if (*symbol != nullptr) return absl::OkStatus();
  const std::string reason = library.handle == nullptr ? "cannot be opened: " + library.problem
                                                       : std::string("has no ") + name;
  return tensorflow::errors::FailedPrecondition("libdeepattn_cuda.so ", reason,
                                                "; build it again by python -m deepattn.ops.build");
}

// A function of the library. `Function` is its type: decltype(deepattn_cuda_…).
template <typename Function>
class CudaFunction {
 public:
  absl::Status Find(const std::string& name) {
    void* symbol;
    TF_RETURN_IF_ERROR(FindSymbol(name.c_str(), &symbol));
    function_ = reinterpret_cast<Function*>(symbol);
    return absl::OkStatus();
  }

  template <typename... Arguments>
  auto operator()(Arguments... arguments) const {
    return function_(arguments...);
  }

 private:
  Function* function_ = nullptr;
};

// Of a type of function for each precision the one of T, and the end of its name.
template <typename T, typename Float, typename Double>
using FunctionOf = CudaFunction<std::conditional_t<std::is_same_v<T, float>, Float, Double>>;

template <typename T>
constexpr const char* kSuffix = std::is_same_v<T, float> ? "f32" : "f64";

// The stream that the op's kernels belong in.
inline void* StreamOf(tensorflow::OpKernelContext* context) {
  return context->op_device_context()->stream()->platform_specific_handle().stream;
}

// Device memory until the end of the op: kernels in its stream may still use it, for what the
// allocator gives next goes to work behind them.
inline absl::Status AllocateBytes(tensorflow::OpKernelContext* context, int64_t bytes,
                                  tensorflow::Tensor* memory, void** data) {
  TF_RETURN_IF_ERROR(
      context->allocate_temp(tensorflow::DT_UINT8, tensorflow::TensorShape({bytes}), memory));
  *data = memory->flat<tensorflow::uint8>().data();
  return absl::OkStatus();
}

// Where kernels say what is wrong with their input. Reading it would make the host wait, so it is
// not read: environment matrices of such frames are not numbers, which nobody can overlook.
class UnreadProblem {
 public:
  absl::Status Allocate(tensorflow::OpKernelContext* context) {
    return AllocateBytes(context, sizeof(deepattn_cuda_problem), &memory_, &data_);
  }

  deepattn_cuda_problem* get() const { return static_cast<deepattn_cuda_problem*>(data_); }

 private:
  tensorflow::Tensor memory_;
  void* data_ = nullptr;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_GPU_CUDA_LIBRARY_H_
