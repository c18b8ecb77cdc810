// Where the numbers of one neighborhood lie, in elements; the same for all.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_LAYOUT_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_LAYOUT_H_

#include "kernels/cpu/attention.h"
#include "kernels/cuda/pieces.h"

namespace deepattn {

// Queries, keys and values, in this order.
enum Projection { kQuery, kKey, kValue, kProjections };

// From the projections to the rows of the output.
struct MixedLayout {
  Piece message;  // values times the output matrix
  Piece score;
  Piece soft;         // softmax of the scores
  Piece normalized;   // rows of the layer normalization, of all slots
  Piece inverse_std;  // of each row

  void Take(const deepattn_attention_shape& shape, Pieces* pieces) {
    message = pieces->Rows(shape.nnei, shape.width);
    score = pieces->Rows(shape.nnei, shape.nnei);
    soft = pieces->Rows(shape.nnei, shape.nnei);
    normalized = pieces->Rows(shape.nnei, shape.width);
    inverse_std = pieces->Row(shape.nnei);
  }
};

// The tangents, up to the rows of the output before their normalization.
struct TangentLayout {
  Piece project[kProjections];
  Piece slide[kProjections];  // of `UnitTangent`
  Piece message;
  Piece score;
  Piece row;  // of all slots

  void Take(const deepattn_attention_shape& shape, Pieces* pieces) {
    for (Piece& rows : project) rows = pieces->Rows(shape.nnei, shape.attn);
    for (Piece& slides : slide) slides = pieces->Row(shape.nnei);
    message = pieces->Rows(shape.nnei, shape.width);
    score = pieces->Rows(shape.nnei, shape.nnei);
    row = pieces->Rows(shape.nnei, shape.width);
  }
};

// Whether `MixedLayout` is kept by the forward pass and `TangentLayout` by the tangent pass, or
// both computed again: see the CPU's kernel.
template <typename T>
constexpr bool kKeepsAll = sizeof(T) == sizeof(float);

// What the passes leave for each other, and the memory of a block.
struct AttentionLayout {
  Piece project[kProjections];  // kept
  Piece inverse[kProjections];  // of each row's length
  Piece free[kProjections];     // 1, or 0 where the floor under the length holds it fixed
  MixedLayout mixed;            // kept or in the block's memory
  TangentLayout tangents;       // in the state or in the block's memory

  Piece attention;  // the block's memory, all passes

  Piece by_message;  // gradient and reverse
  Piece by_project;  // of one projection after the other
  Piece row_sum[2];  // of `Scores`

  Piece attention_tangent;  // tangent and reverse
  Piece mean;               // of logit tangents

  Piece row;      // reverse: gradients by the tangents of rows of the output
  Piece tangent;  // of rows of the output
  Piece by_message_second;
  Piece by_project_second;

  // Sizes of what is kept of an atom, of its state, and of the block's memory.
  int64_t kept_size = 0;
  int64_t state_size = 0;
  int64_t block_size = 0;

  AttentionLayout(const deepattn_attention_shape& shape, int pass, bool keeps_all) {
    const int64_t nnei = shape.nnei, width = shape.width, attn = shape.attn;
    const bool gradient = pass == DEEPATTN_ATTENTION_GRADIENT || pass == DEEPATTN_ATTENTION_REVERSE;
    const bool tangent_too =
        pass == DEEPATTN_ATTENTION_TANGENT || pass == DEEPATTN_ATTENTION_REVERSE;
    Pieces kept, state, block;
    for (int p = 0; p < kProjections; ++p) {
      project[p] = kept.Rows(nnei, attn);
      inverse[p] = kept.Row(nnei);
      free[p] = kept.Row(nnei);
    }
    mixed.Take(shape, keeps_all ? &kept : &block);
    attention = block.Rows(nnei, nnei);
    if (gradient) {
      by_message = block.Rows(nnei, width);
      by_project = block.Rows(nnei, attn);
      for (Piece& sums : row_sum) sums = block.Row(nnei);
    }
    if (keeps_all || tangent_too) tangents.Take(shape, keeps_all ? &state : &block);
    if (tangent_too) {
      attention_tangent = block.Rows(nnei, nnei);
      mean = block.Row(nnei);
    }
    if (gradient && tangent_too) {
      row = block.Rows(nnei, width);
      tangent = block.Rows(nnei, width);
      by_message_second = block.Rows(nnei, width);
      by_project_second = block.Rows(nnei, attn);
    }
    kept_size = kept.used();
    state_size = state.used();
    block_size = block.used();
  }
};

// Sums of gradients by parameters: each array as the parameters are stored, and aligned.
struct AttentionSums {
  Piece project[kProjections];
  Piece project_bias[kProjections];
  Piece out;
  Piece out_bias;
  Piece gamma;
  Piece beta;
  int64_t size = 0;

  explicit AttentionSums(const deepattn_attention_shape& shape) {
    for (int p = 0; p < kProjections; ++p) {
      project[p] = Take(shape.width, shape.attn);
      project_bias[p] = Take(1, shape.attn);
    }
    out = Take(shape.attn, shape.width);
    out_bias = Take(1, shape.width);
    gamma = Take(1, shape.width);
    beta = Take(1, shape.width);
  }

 private:
  Piece Take(int64_t m, int64_t n) {
    const Piece piece = {size, static_cast<int>(n)};
    size += (m * n + kGemmQuad - 1) / kGemmQuad * kGemmQuad;
    return piece;
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_LAYOUT_H_
