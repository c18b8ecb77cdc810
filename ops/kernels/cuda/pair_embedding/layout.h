// Where the numbers of one block of rows lie, in elements; the same for all.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_LAYOUT_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_LAYOUT_H_

#include "kernels/common/pair_embedding.h"
#include "kernels/cuda/arena.h"

namespace deepattn {

// Rows that a block of threads works on at once.
constexpr int kRowsAtOnce = 64;

// Memory of a block of threads. Rows number k are what goes into layer k, the last what comes out;
// those of the input are read where they are given. `hidden` is a layer's tanh.
struct EmbeddingLayout {
  Piece row[kMostLayers + 1];
  Piece hidden[kMostLayers];

  Piece grad_row[2];  // backward passes: by a layer's result and by its input, in turns
  Piece grad_hidden;  // gradients by what goes into a tanh

  Piece tangent[kMostLayers + 1];  // double backward
  Piece hidden_tangent[kMostLayers];
  Piece outer_grad_row[2];
  Piece outer_grad_hidden;

  int64_t block_size = 0;

  EmbeddingLayout(const deepattn_pair_embedding_shape& shape, int pass) {
    Arena arena;
    int64_t widest = 0;
    for (int64_t k = 1; k <= shape.nlayers; ++k) {
      row[k] = arena.Rows(kRowsAtOnce, shape.width[k]);
      hidden[k - 1] = arena.Rows(kRowsAtOnce, shape.width[k]);
      if (shape.width[k] > widest) widest = shape.width[k];
    }
    if (pass >= kBackward) {
      for (Piece& rows : grad_row) rows = arena.Rows(kRowsAtOnce, widest);
      grad_hidden = arena.Rows(kRowsAtOnce, widest);
    }
    if (pass == kDoubleBackward) {
      for (int64_t k = 1; k <= shape.nlayers; ++k) {
        tangent[k] = arena.Rows(kRowsAtOnce, shape.width[k]);
        hidden_tangent[k - 1] = arena.Rows(kRowsAtOnce, shape.width[k]);
      }
      for (Piece& rows : outer_grad_row) rows = arena.Rows(kRowsAtOnce, widest);
      outer_grad_hidden = arena.Rows(kRowsAtOnce, widest);
    }
    block_size = arena.used();
  }
};

// Sums of gradients by parameters: each array as the parameters are stored, and aligned.
struct EmbeddingSums {
  int64_t matrix[kMostLayers];
  int64_t bias[kMostLayers];
  int64_t step[kMostLayers];
  int64_t factors;
  int64_t size = 0;

  explicit EmbeddingSums(const deepattn_pair_embedding_shape& shape) {
    for (int64_t k = 0; k < shape.nlayers; ++k) {
      matrix[k] = Take(shape.width[k] * shape.width[k + 1]);
      bias[k] = Take(shape.width[k + 1]);
      step[k] = Take(shape.width[k + 1]);
    }
    factors = Take(shape.nfactors * shape.width[shape.nlayers]);
  }

 private:
  int64_t Take(int64_t n) {
    const int64_t begin = size;
    size += (n + kGemmQuad - 1) / kGemmQuad * kGemmQuad;
    return begin;
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_LAYOUT_H_
