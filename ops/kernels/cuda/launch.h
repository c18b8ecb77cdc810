// Starting kernels and moving memory, with the errors of both in a deepattn_status. A kernel is a
// functor over a Block; its members are its arguments, and kThreads the size of its blocks.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_LAUNCH_H_
#define DEEPATTN_OPS_KERNELS_CUDA_LAUNCH_H_

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <vector>

#include "block.h"
#include "runtime.h"

namespace deepattn {

// The stream of a call, and its status. After a first error nothing more is started.
class Queue {
 public:
  Queue(void* stream, deepattn_status* status) : stream_(stream), status_(status) {}

  bool ok() const { return status_->code == DEEPATTN_OK; }

  __attribute__((format(printf, 3, 4))) void Fail(int code, const char* format, ...) {
    if (!ok()) return;
    status_->code = code;
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(status_->message, sizeof(status_->message), format, arguments);
    va_end(arguments);
  }

  // Fails unless `workspace` has room for what was taken from `memory`.
  bool Fits(const Memory& memory, int64_t workspace_bytes) {
    if (memory.used() <= workspace_bytes) return ok();
    Fail(DEEPATTN_INVALID_ARGUMENT, "the workspace has %lld bytes and must have %lld",
         static_cast<long long>(workspace_bytes), static_cast<long long>(memory.used()));
    return false;
  }

  template <typename Kernel>
  void Launch(int64_t blocks, int64_t shared_bytes, const Kernel& kernel);

  // Calls f(item) for every item in [0, n), on a thread each.
  template <typename F>
  void Each(int64_t n, const F& f);

  // Sets bytes of device memory to `value`.
  void Clear(void* memory, int value, int64_t bytes);

  // Copies from the host's memory, as deepattn_cuda_upload.
  void Copy(void* to, const void* from, int64_t bytes);

  // Copies a little of the host's memory to the device: it travels as arguments of a kernel, for
  // which nothing has to wait.
  template <typename V>
  void Upload(V* to, const V* from, int64_t n);

 private:
#if defined(__CUDACC__)
  // Fails if there is an error, with what could not be done to so many bytes, and takes the error
  // back: whoever asks for the last one next must not find it.
  void Check(cudaError_t error, const char* what, int64_t bytes) {
    if (error == cudaSuccess) return;
    cudaGetLastError();
    Fail(error == cudaErrorMemoryAllocation ? DEEPATTN_OUT_OF_MEMORY : DEEPATTN_DEVICE_ERROR,
         "%s (%lld bytes): %s", what, static_cast<long long>(bytes), cudaGetErrorString(error));
  }
#endif

  void* stream_;
  deepattn_status* status_;
};

// Threads of a kernel of Queue::Each.
template <typename F>
struct EachKernel {
  static constexpr int kThreads = 256;

  int64_t n;
  F f;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t first = block.index() * kThreads;
    const int64_t count = n - first < kThreads ? n - first : kThreads;
    block.Each(count, [&](int64_t item) { f(first + item); });
  }
};

template <typename F>
void Queue::Each(int64_t n, const F& f) {
  constexpr int kThreads = EachKernel<F>::kThreads;
  Launch((n + kThreads - 1) / kThreads, 0, EachKernel<F>{n, f});
}

template <typename V>
struct UploadKernel {
  static constexpr int kThreads = 32;
  static constexpr int kMost = 2048 / sizeof(V);

  V* to;
  int64_t n;
  V values[kMost];

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    block.Each(n, [&](int64_t k) { to[k] = values[k]; });
  }
};

template <typename V>
void Queue::Upload(V* to, const V* from, int64_t n) {
  constexpr int64_t kMost = UploadKernel<V>::kMost;
  for (int64_t first = 0; first < n; first += kMost) {
    UploadKernel<V> kernel = {to + first, std::min(n - first, kMost), {}};
    std::copy_n(from + first, kernel.n, kernel.values);
    Launch(1, 0, kernel);
  }
}

#if defined(__CUDACC__)

// Threads that a multiprocessor has registers for, 128 each.
constexpr int kThreadsAtOnce = 512;

template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, kThreadsAtOnce / Kernel::kThreads)
    Run(const __grid_constant__ Kernel kernel, int64_t first) {
  extern __shared__ __align__(16) unsigned char shared[];
  kernel(Block(first, shared));
}

// Of the device that is in use.
inline int64_t Multiprocessors() {
  int device = 0, number = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&number, cudaDevAttrMultiProcessorCount, device) != cudaSuccess) {
    cudaGetLastError();  // takes it back; whatever is started next fails, and says why
  }
  return number;
}

// Most shared memory of a block that needs no permission.
constexpr int64_t kPlainSharedBytes = 48 << 10;
constexpr int64_t kMostBlocks = 0x7fffffff;

template <typename Kernel>
void Queue::Launch(int64_t blocks, int64_t shared_bytes, const Kernel& kernel) {
  static_assert(Kernel::kThreads % kWarp == 0, "warps must be whole");
  constexpr const char* kWhat = "a CUDA kernel with its shared memory could not be started";
  if (!ok()) return;
  if (shared_bytes > kPlainSharedBytes) {
    Check(cudaFuncSetAttribute(Run<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          kWhat, shared_bytes);
  }
  for (int64_t first = 0; first < blocks && ok(); first += kMostBlocks) {
    const unsigned grid = static_cast<unsigned>(std::min(blocks - first, kMostBlocks));
    Run<Kernel><<<grid, Kernel::kThreads, static_cast<size_t>(shared_bytes),
                  static_cast<cudaStream_t>(stream_)>>>(kernel, first);
    Check(cudaGetLastError(), kWhat, shared_bytes);
  }
}

inline void Queue::Clear(void* memory, int value, int64_t bytes) {
  if (!ok() || bytes == 0) return;
  Check(cudaMemsetAsync(memory, value, static_cast<size_t>(bytes),
                        static_cast<cudaStream_t>(stream_)),
        "device memory could not be set", bytes);
}

inline void Queue::Copy(void* to, const void* from, int64_t bytes) {
  if (!ok() || bytes == 0) return;
  Check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                        static_cast<cudaStream_t>(stream_)),
        "memory could not be copied to the device", bytes);
}

#else

// So few that tests give every block several units of work.
inline int64_t Multiprocessors() { return 1; }

template <typename Kernel>
void Queue::Launch(int64_t blocks, int64_t shared_bytes, const Kernel& kernel) {
  static_assert(Kernel::kThreads % kWarp == 0, "warps must be whole");
  if (!ok()) return;
  std::vector<Numbers<double, 2>> shared(shared_bytes / sizeof(Numbers<double, 2>) + 1);
  host::ForEach(blocks, [&](int64_t index) {
    // Whatever is read before it is written is not a number.
    std::memset(shared.data(), 0xff, shared.size() * sizeof(shared[0]));
    kernel(Block(index, Kernel::kThreads, shared.data()));
  });
}

inline void Queue::Clear(void* memory, int value, int64_t bytes) {
  if (ok() && bytes > 0) std::memset(memory, value, bytes);
}

inline void Queue::Copy(void* to, const void* from, int64_t bytes) {
  if (ok() && bytes > 0) std::memcpy(to, from, bytes);
}

#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_LAUNCH_H_
