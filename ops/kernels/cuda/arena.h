// Where matrices lie in blocks of memory whose address is known later: kernels get the places as
// arguments, once for all neighborhoods.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ARENA_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ARENA_H_

#include "gemm.h"

namespace deepattn {

// Rows and columns of a matrix are numbered by an int, and so is a step over a few rows of it.
constexpr int64_t kMostColumns = 1 << 20;

// Numbers from the beginning of the block to a piece, and between its rows.
struct Piece {
  int64_t begin = 0;
  int stride = 0;

  template <typename T>
  DEEPATTN_DEVICE Matrix<T> In(T* block) const {
    return {block + begin, stride};
  }
};

// Hands out pieces side by side. Rows begin at whole quads, so that products write vectors.
class Arena {
 public:
  Piece Rows(int64_t m, int64_t n) {
    const int64_t stride = (n + kGemmQuad - 1) / kGemmQuad * kGemmQuad;
    const Piece piece = {used_, static_cast<int>(stride)};
    used_ += m * stride;
    return piece;
  }

  Piece Row(int64_t n) { return Rows(1, n); }

  int64_t used() const { return used_; }

 private:
  int64_t used_ = 0;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ARENA_H_
