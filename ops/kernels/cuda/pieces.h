// Where matrices lie in blocks of memory whose address is known later: kernels get the places as
// arguments, once for all neighbourhoods.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PIECES_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PIECES_H_

#include "gemm.h"

namespace deepattn {

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
class Pieces {
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

// An array of gradients by parameters, as part of the sums of one block.
template <typename T>
struct SumPart {
  T* out;
  int64_t begin;
  int64_t size;
};

// Adds up the sums of `number` blocks in their order and writes them out: item e of all.
template <typename T, int most>
struct AddSums {
  SumPart<T> part[most];
  int parts;
  int64_t size;  // of the sums of a block
  int64_t number;
  const T* sums;

  DEEPATTN_DEVICE void operator()(int64_t item) const {
    T total = 0;
    for (int64_t block = 0; block < number; ++block) total += sums[block * size + item];
    for (int p = 0; p < parts; ++p) {
      const int64_t place = item - part[p].begin;
      if (place >= 0 && place < part[p].size) part[p].out[place] = total;
    }
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PIECES_H_
