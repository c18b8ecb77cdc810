// Scratch memory that is kept from call to call: clearing fresh pages would cost the system a tenth
// of the time of a pass.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SCRATCH_H_
#define DEEPATTN_OPS_KERNELS_CPU_SCRATCH_H_

#include <cstddef>
#include <cstdint>

namespace deepattn {

// A block of at least that many bytes, aligned to 64; throws std::bad_alloc.
class ScratchBlock {
 public:
  explicit ScratchBlock(size_t bytes);
  ~ScratchBlock();
  ScratchBlock(ScratchBlock&& other) noexcept : data_(other.data_), bytes_(other.bytes_) {
    other.data_ = nullptr;
  }
  ScratchBlock(const ScratchBlock&) = delete;
  ScratchBlock& operator=(const ScratchBlock&) = delete;

  void* data() const { return data_; }

 private:
  void* data_;
  size_t bytes_;
};

// Room for `size` numbers; what is in them is left from before.
template <typename T>
class ScratchArray {
 public:
  explicit ScratchArray(int64_t size) : block_(size * sizeof(T)) {}

  T* get() const { return static_cast<T*>(block_.data()); }

 private:
  ScratchBlock block_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_SCRATCH_H_
