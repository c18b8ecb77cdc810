#include "scratch.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <tuple>
#include <utility>

namespace deepattn {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kLeast = 4096;
// Blocks of more bytes than asked for may be used, up to so many times more.
constexpr size_t kMostWaste = 4;
// Blocks beyond this are given back to the system.
constexpr size_t kMostIdle = size_t{256} << 20;

// Sizes are rounded up by less than a quarter, so that calls of slightly different shapes share
// blocks.
size_t RoundUp(size_t bytes) {
  size_t power = kLeast;
  while (2 * power <= bytes) power *= 2;
  const size_t step = power / 4;
  return std::max(kLeast, (bytes + step - 1) / step * step);
}

// Idle blocks by their size.
class Pool {
 public:
  // A block and its size, at least `bytes`.
  std::pair<size_t, void*> Take(size_t bytes) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto found = idle_.lower_bound(bytes);
      if (found != idle_.end() && found->first <= kMostWaste * bytes) {
        const std::pair<size_t, void*> block = *found;
        idle_.erase(found);
        idle_bytes_ -= block.first;
        return block;
      }
    }
    void* block = std::aligned_alloc(kLine, bytes);
    if (block == nullptr) {
      Clear();
      block = std::aligned_alloc(kLine, bytes);
    }
    if (block == nullptr) throw std::bad_alloc();
    return {bytes, block};
  }

  void Return(void* block, size_t bytes) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    if (idle_bytes_ + bytes <= kMostIdle) {
      try {
        idle_.emplace(bytes, block);
        idle_bytes_ += bytes;
        return;
      } catch (const std::bad_alloc&) {  // no memory to remember the block: it is given back
      }
    }
    std::free(block);
  }

 private:
  void Clear() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [bytes, block] : idle_) std::free(block);
    idle_.clear();
    idle_bytes_ = 0;
  }

  std::mutex mutex_;
  std::multimap<size_t, void*> idle_;
  size_t idle_bytes_ = 0;
};

// Never destroyed: threads may still be at work when the process ends.
Pool& ThePool() {
  static Pool* const pool = new Pool;
  return *pool;
}

}  // namespace

ScratchBlock::ScratchBlock(size_t bytes) {
  std::tie(bytes_, data_) = ThePool().Take(RoundUp(bytes));
}

ScratchBlock::~ScratchBlock() {
  if (data_ != nullptr) ThePool().Return(data_, bytes_);
}

}  // namespace deepattn
