// TensorFlow's threads for the loops of the kernels.
#ifndef DEEPATTN_OPS_TF_THREADS_H_
#define DEEPATTN_OPS_TF_THREADS_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "kernels/common/runtime.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/platform/threadpool.h"

namespace deepattn {

// A loop whose ranges are taken by whoever comes first. The caller never waits for a thread that
// has not begun: on a busy machine that takes longer than the loop of a small cell.
class SharedLoop {
 public:
  SharedLoop(int64_t total, int64_t size, deepattn_range_fn fn, void* work)
      : total_(total), size_(size), left_((total + size - 1) / size), fn_(fn), work_(work) {}

  // Does ranges until none is left to be taken.
  void Help() {
    for (;;) {
      const int64_t begin = taken_.fetch_add(size_);
      if (begin >= total_) return;
      fn_(work_, begin, std::min(begin + size_, total_));
      if (left_.fetch_sub(1) == 1) {
        const std::lock_guard<std::mutex> lock(mutex_);
        done_ = true;
        finished_.notify_all();
      }
    }
  }

  // Returns when all ranges are done.
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    finished_.wait(lock, [this] { return done_; });
  }

 private:
  const int64_t total_;
  const int64_t size_;
  std::atomic<int64_t> taken_{0};
  std::atomic<int64_t> left_;
  const deepattn_range_fn fn_;
  void* const work_;
  std::mutex mutex_;
  std::condition_variable finished_;
  bool done_ = false;
};

inline void RunLoop(void* opaque, int64_t total, int64_t cost, deepattn_range_fn fn, void* work) {
  // What a range and a thread are worth at least, ns, and how many ranges of each thread make up
  // for those that begin late.
  constexpr int64_t kRange = 5000, kThread = 30000, kRangesEach = 4;
  if (total <= 0) return;
  auto* pool = static_cast<tensorflow::thread::ThreadPool*>(opaque);
  cost = std::max<int64_t>(cost, 1);
  const int64_t size = std::max<int64_t>((kRange + cost - 1) / cost, 1);
  const int64_t most = std::min<int64_t>((total + size - 1) / size, pool->NumThreads());
  const int64_t threads = std::min(most, 1 + total / std::max<int64_t>(kThread / cost, 1));
  if (threads <= 1) {
    fn(work, 0, total);
    return;
  }
  const int64_t ranges = threads * kRangesEach;
  const auto loop =
      std::make_shared<SharedLoop>(total, std::max(size, (total + ranges - 1) / ranges), fn, work);
  for (int64_t t = 1; t < threads; ++t) pool->Schedule([loop] { loop->Help(); });
  loop->Help();
  loop->Wait();
}

// The intra-op pool of the device the op runs on.
inline deepattn_threads ThreadsOf(tensorflow::OpKernelContext* context) {
  return {context->device()->tensorflow_cpu_worker_threads()->workers, RunLoop};
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_THREADS_H_
