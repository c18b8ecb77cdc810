// The passes over one neighborhood by one block, step by step. They are those of the CPU's kernel.
// common/passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_PASSES_H_

#include "mix.h"
#include "row_gradients.h"
#include "score_gradients.h"

namespace deepattn {

template <typename Call>
DEEPATTN_DEVICE void ForwardPass(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  for (int p = 0; p < kProjections; ++p) {
    const Matrix<T> rows = at.Project(p);
    const T* bias = at.ProjectionBias(p);
    Times(at.block, at.n, at.attn, at.width, at.Embedding(), at.ProjectionMatrix(p), rows);
    EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
      const Unit<T> unit = MakeUnit(lanes, at.attn, bias, rows.Row(j));
      lanes.Once([&] { at.SetUnit(p, j, unit); });
    });
  }
  Mix(at);
  const auto& parameters = at.call.parameters;
  EachRow(at.block, at.nnei, [&](int j, const Lanes& lanes) {
    const T* row = at.Normalized().Row(j);
    T* out = at.Rows(at.call.output).Row(j);
    lanes.Each(at.width,
               [&](int i) { out[i] = row[i] * parameters.gamma[i] + parameters.beta[i]; });
  });
}

template <typename Call>
DEEPATTN_DEVICE void BackwardPass(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  const Block& block = at.block;
  const int n = at.n, width = at.width, attn = at.attn;
  if (kSavesAll<T>) {
    MakeAttention(at);
  } else {
    Mix(at);
  }
  // Gradients by rows of the output; all that embeddings have goes there in the end.
  const Matrix<T> row = at.Rows(at.call.grad_embedding);
  EachRow(block, at.nnei, [&](int j, const Lanes& lanes) {
    NormalizedRowBackward(at, lanes, j, at.call.grad_output, row.Row(j));
  });
  if (at.sums != nullptr) AddNormalizationSums(at, row);
  TransposedTimes(block, n, width, n, at.Attention(), row, at.GradMessage());
  const Matrix<T> grad_score = at.Attention();
  TimesTransposed(block, n, n, width, row, at.Message(), grad_score);
  ScoresBackward(at, grad_score);
  if (at.sums != nullptr) {
    TransposedTimes(block, attn, width, n, at.Project(kValue), at.GradMessage(), at.OutSum(), kAdd);
  }
  TimesTransposed(block, n, attn, width, at.GradMessage(), at.OutMatrix(), at.GradProject());
  ProjectionBackward(at, kValue, row);
  Times(block, n, attn, n, grad_score, at.Project(kKey), at.GradProject());
  ProjectionBackward(at, kQuery, row);
  TransposedTimes(block, n, attn, n, grad_score, at.Project(kQuery), at.GradProject());
  ProjectionBackward(at, kKey, row);
}

template <typename Call>
DEEPATTN_DEVICE void TangentPass(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  if (!kSavesAll<T>) Mix(at);
  MakeTangents(at);
  EachRow(at.block, at.nnei, [&](int j, const Lanes& lanes) {
    const T* tangent = at.RowTangent().Row(j);
    T* out = at.Rows(at.call.grad_grad_output).Row(j);
    lanes.Each(at.width, [&](int i) { out[i] = tangent[i]; });
    // The derivative of the normalization is symmetric.
    NormalizeBackward(lanes, at.width, at.Normalized().Row(j), at.InverseStd()[j], out);
    lanes.Each(at.width, [&](int i) { out[i] *= at.call.parameters.gamma[i]; });
  });
}

template <typename Call>
DEEPATTN_DEVICE void ReversePass(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  const Block& block = at.block;
  const int n = at.n, width = at.width, attn = at.attn;
  if (kSavesAll<T>) {
    MakeAttention(at);
    MakeAttentionTangents(at);
  } else {
    Mix(at);
    MakeTangents(at);
  }
  const Matrix<T> row = at.GradRow(), outer_grad = at.Rows(at.call.grad_embedding);
  NormalizedRowReverse(at, row, outer_grad);
  AddOuterNormalizationSums(at, outer_grad);

  const Matrix<T> grad_message = at.GradMessage(), outer_grad_message = at.OuterGradMessage();
  TransposedTimes(block, n, width, n, at.Attention(), row, grad_message);
  TransposedTimes(block, n, width, n, at.AttentionTangent(), row, outer_grad_message);
  TransposedTimes(block, n, width, n, at.Attention(), outer_grad, outer_grad_message, kAdd);
  // From here on these two hold the gradients by themselves.
  const Matrix<T> grad_score = at.Attention(), outer_grad_score = at.AttentionTangent();
  TimesTransposed(block, n, n, width, row, at.Message(), grad_score);
  TimesTransposed(block, n, n, width, row, at.MessageTangent(), outer_grad_score);
  TimesTransposed(block, n, n, width, outer_grad, at.Message(), outer_grad_score, kAdd);
  ScoresReverse(at, outer_grad_score, grad_score);

  TransposedTimes(block, attn, width, n, at.ProjectTangent(kValue), grad_message, at.OutSum(),
                  kAdd);
  TransposedTimes(block, attn, width, n, at.Project(kValue), outer_grad_message, at.OutSum(), kAdd);
  const Matrix<T> grad_project = at.GradProject(), outer_grad_project = at.OuterGradProject();
  TimesTransposed(block, n, attn, width, grad_message, at.OutMatrix(), grad_project);
  TimesTransposed(block, n, attn, width, outer_grad_message, at.OutMatrix(), outer_grad_project);
  ProjectionReverse(at, kValue, outer_grad);
  Times(block, n, attn, n, grad_score, at.Project(kKey), grad_project);
  Times(block, n, attn, n, outer_grad_score, at.Project(kKey), outer_grad_project);
  Times(block, n, attn, n, grad_score, at.ProjectTangent(kKey), outer_grad_project, kAdd);
  ProjectionReverse(at, kQuery, outer_grad);
  TransposedTimes(block, n, attn, n, grad_score, at.Project(kQuery), grad_project);
  TransposedTimes(block, n, attn, n, outer_grad_score, at.Project(kQuery), outer_grad_project);
  TransposedTimes(block, n, attn, n, grad_score, at.ProjectTangent(kQuery), outer_grad_project,
                  kAdd);
  ProjectionReverse(at, kKey, outer_grad);
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_PASSES_H_
