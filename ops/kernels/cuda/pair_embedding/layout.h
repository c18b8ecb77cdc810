// Where the numbers of one block of rows lie, in elements; the same for all.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_LAYOUT_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_LAYOUT_H_

#include "kernels/cpu/pair_embedding.h"
#include "kernels/cuda/pieces.h"

namespace deepattn {

constexpr int kMostLayers = DEEPATTN_MOST_LAYERS;
// Rows that a block of threads works on at once.
constexpr int kRowsAtOnce = 64;

// Memory of a block of threads. Rows number k are what goes into layer k, the last what comes out;
// those of the input are read where they are given. `hidden` is a layer's tanh.
struct EmbeddingLayout {
  Piece row[kMostLayers + 1];
  Piece hidden[kMostLayers];

  Piece dual[2];    // of orders 1 and 2: by a layer's result and by its input, in turns
  Piece by_hidden;  // gradients by what goes into a tanh

  Piece tangent[kMostLayers + 1];  // of order 2
  Piece hidden_tangent[kMostLayers];
  Piece second[2];
  Piece by_hidden_second;

  int64_t block_size = 0;

  EmbeddingLayout(const deepattn_pair_embedding_shape& shape, int order) {
    Pieces pieces;
    int64_t widest = 0;
    for (int64_t k = 1; k <= shape.nlayers; ++k) {
      row[k] = pieces.Rows(kRowsAtOnce, shape.width[k]);
      hidden[k - 1] = pieces.Rows(kRowsAtOnce, shape.width[k]);
      if (shape.width[k] > widest) widest = shape.width[k];
    }
    if (order > 0) {
      for (Piece& rows : dual) rows = pieces.Rows(kRowsAtOnce, widest);
      by_hidden = pieces.Rows(kRowsAtOnce, widest);
    }
    if (order > 1) {
      for (int64_t k = 1; k <= shape.nlayers; ++k) {
        tangent[k] = pieces.Rows(kRowsAtOnce, shape.width[k]);
        hidden_tangent[k - 1] = pieces.Rows(kRowsAtOnce, shape.width[k]);
      }
      for (Piece& rows : second) rows = pieces.Rows(kRowsAtOnce, widest);
      by_hidden_second = pieces.Rows(kRowsAtOnce, widest);
    }
    block_size = pieces.used();
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
