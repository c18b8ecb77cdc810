// Where the numbers of one neighborhood lie, in elements; the same for all.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_LAYOUT_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_LAYOUT_H_

#include "kernels/common/attention.h"
#include "kernels/cuda/arena.h"

namespace deepattn {

// From the projections to the rows of the output.
struct MixedLayout {
  Piece message;  // values times the output matrix
  Piece score;
  Piece soft;         // softmax of the scores
  Piece normalized;   // rows of the layer normalization, of all slots
  Piece inverse_std;  // of each row

  void Take(const deepattn_attention_shape& shape, Arena* arena) {
    message = arena->Rows(shape.nnei, shape.width);
    score = arena->Rows(shape.nnei, shape.nnei);
    soft = arena->Rows(shape.nnei, shape.nnei);
    normalized = arena->Rows(shape.nnei, shape.width);
    inverse_std = arena->Row(shape.nnei);
  }
};

// The tangents, up to the rows of the output before their normalization.
struct TangentLayout {
  Piece project[kProjections];
  Piece slide[kProjections];  // of `UnitTangent`
  Piece message;
  Piece score;
  Piece row;  // of all slots

  void Take(const deepattn_attention_shape& shape, Arena* arena) {
    for (Piece& rows : project) rows = arena->Rows(shape.nnei, shape.attn);
    for (Piece& slides : slide) slides = arena->Row(shape.nnei);
    message = arena->Rows(shape.nnei, shape.width);
    score = arena->Rows(shape.nnei, shape.nnei);
    row = arena->Rows(shape.nnei, shape.width);
  }
};

// What the passes leave for each other, and the memory of a block.
struct AttentionLayout {
  Piece project[kProjections];  // kept
  Piece inverse[kProjections];  // of each row's length
  Piece free[kProjections];     // 1, or 0 where the floor under the length holds it fixed
  MixedLayout mixed;            // saved or in the block's memory
  TangentLayout tangents;       // saved or in the block's memory

  Piece attention;  // the block's memory, all passes

  Piece grad_message;  // backward and reverse
  Piece grad_project;  // of one projection after the other
  Piece row_sum[2];    // of `Scores`

  Piece attention_tangent;  // tangent and reverse
  Piece mean;               // of logit tangents

  Piece row;      // reverse: gradients by the tangents of rows of the output
  Piece tangent;  // of rows of the output
  Piece outer_grad_message;
  Piece outer_grad_project;

  // Sizes of what is saved of an atom, of its tangents, and of the block's memory.
  int64_t saved_size = 0;
  int64_t saved_tangents_size = 0;
  int64_t block_size = 0;

  AttentionLayout(const deepattn_attention_shape& shape, int pass, bool saves_all) {
    const int64_t nnei = shape.nnei, width = shape.width, attn = shape.attn;
    const bool gradient = pass == kBackward || pass == kReverse;
    const bool tangent_too = pass == kTangent || pass == kReverse;
    Arena saved, saved_tangents, block;
    for (int p = 0; p < kProjections; ++p) {
      project[p] = saved.Rows(nnei, attn);
      inverse[p] = saved.Row(nnei);
      free[p] = saved.Row(nnei);
    }
    mixed.Take(shape, saves_all ? &saved : &block);
    attention = block.Rows(nnei, nnei);
    if (gradient) {
      grad_message = block.Rows(nnei, width);
      grad_project = block.Rows(nnei, attn);
      for (Piece& sums : row_sum) sums = block.Row(nnei);
    }
    if (saves_all || tangent_too) tangents.Take(shape, saves_all ? &saved_tangents : &block);
    if (tangent_too) {
      attention_tangent = block.Rows(nnei, nnei);
      mean = block.Row(nnei);
    }
    if (gradient && tangent_too) {
      row = block.Rows(nnei, width);
      tangent = block.Rows(nnei, width);
      outer_grad_message = block.Rows(nnei, width);
      outer_grad_project = block.Rows(nnei, attn);
    }
    saved_size = saved.used();
    saved_tangents_size = saved_tangents.used();
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
