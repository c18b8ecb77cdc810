// Loops over the caller's threads that report the same error whatever the number of threads.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PARALLEL_H_
#define DEEPATTN_OPS_KERNELS_CPU_PARALLEL_H_

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <mutex>
#include <stdexcept>

#include "kernels/common/runtime.h"

namespace deepattn {

// Keeps the failure with the smallest position.
class FirstError {
 public:
  explicit FirstError(deepattn_status* status) : status_(status) {}

  __attribute__((format(printf, 4, 5))) void Report(int64_t position, int code, const char* format,
                                                    ...) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (position >= position_) return;
    position_ = position;
    status_->code = code;
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(status_->message, sizeof(status_->message), format, arguments);
    va_end(arguments);
  }

  bool ok() const { return status_->code == DEEPATTN_OK; }

 private:
  deepattn_status* status_;
  std::mutex mutex_;
  int64_t position_ = std::numeric_limits<int64_t>::max();
};

// Calls body(unit) for every unit in [0, total), with one body = make_body() for each range. A body
// that returns false has reported an error at its own unit; the rest of its range is skipped.
template <typename MakeBody>
void ParallelFor(const deepattn_threads& threads, int64_t total, int64_t cost, FirstError* error,
                 const MakeBody& make_body) {
  struct Work {
    const MakeBody* make_body;
    FirstError* error;
  } work{&make_body, error};
  if (total <= 0) return;
  threads.run(
      threads.pool, total, cost,
      [](void* opaque, int64_t begin, int64_t end) {
        auto* work = static_cast<Work*>(opaque);
        int64_t unit = begin;
        try {
          auto body = (*work->make_body)();  // one per range: it owns the scratch memory
          for (; unit < end; ++unit) {
            if (!body(unit)) return;
          }
        } catch (const std::exception& e) {  // only an allocation can fail in a kernel
          work->error->Report(unit, DEEPATTN_OUT_OF_MEMORY, "out of memory: %s", e.what());
        }
      },
      &work);
}

// Runs `kernel`, turning a failed allocation into a status: no exception may cross a C interface.
template <typename Kernel>
void Guard(deepattn_status* status, const Kernel& kernel) {
  try {
    kernel();
  } catch (const std::exception& e) {
    FirstError(status).Report(0, DEEPATTN_OUT_OF_MEMORY, "out of memory: %s", e.what());
  }
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_PARALLEL_H_
