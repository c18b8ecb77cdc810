// The passes over one neighborhood by one block, step by step. They are those of the CPU's kernel,
// where the names are explained: by_x is the gradient by x; in the reverse pass by_x_second is the
// gradient by x, and by_x that by the tangent of x.
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
    T* out = at.Rows(at.call.out).Row(j);
    lanes.Each(at.width,
               [&](int i) { out[i] = row[i] * parameters.gamma[i] + parameters.beta[i]; });
  });
}

template <typename Call>
DEEPATTN_DEVICE void GradientPass(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  const Block& block = at.block;
  const int n = at.n, width = at.width, attn = at.attn;
  if (kKeepsAll<T>) {
    MakeAttention(at);
  } else {
    Mix(at);
  }
  // Gradients by rows of the output; all that embeddings have goes there in the end.
  const Matrix<T> row = at.Rows(at.call.out_embedding);
  EachRow(block, at.nnei, [&](int j, const Lanes& lanes) {
    NormalizedRowGradient(at, lanes, j, at.call.grad, row.Row(j));
  });
  if (at.sums != nullptr) AddNormalizationSums(at, row);
  TransposedTimes(block, n, width, n, at.Attention(), row, at.ByMessage());
  const Matrix<T> by_score = at.Attention();
  TimesTransposed(block, n, n, width, row, at.Message(), by_score);
  ScoreGradients(at, by_score);
  if (at.sums != nullptr) {
    TransposedTimes(block, attn, width, n, at.Project(kValue), at.ByMessage(), at.OutSum(), kAdd);
  }
  TimesTransposed(block, n, attn, width, at.ByMessage(), at.OutMatrix(), at.ByProject());
  ProjectionGradient(at, kValue, row);
  Times(block, n, attn, n, by_score, at.Project(kKey), at.ByProject());
  ProjectionGradient(at, kQuery, row);
  TransposedTimes(block, n, attn, n, by_score, at.Project(kQuery), at.ByProject());
  ProjectionGradient(at, kKey, row);
}

template <typename Call>
DEEPATTN_DEVICE void TangentPass(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  if (!kKeepsAll<T>) Mix(at);
  MakeTangents(at);
  EachRow(at.block, at.nnei, [&](int j, const Lanes& lanes) {
    const T* tangent = at.RowTangent().Row(j);
    T* out = at.Rows(at.call.out).Row(j);
    lanes.Each(at.width, [&](int i) { out[i] = tangent[i]; });
    // The derivative of the normalization is symmetric.
    NormalizeGradient(lanes, at.width, at.Normalized().Row(j), at.InverseStd()[j], out);
    lanes.Each(at.width, [&](int i) { out[i] *= at.call.parameters.gamma[i]; });
  });
}

template <typename Call>
DEEPATTN_DEVICE void ReversePass(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  const Block& block = at.block;
  const int n = at.n, width = at.width, attn = at.attn;
  if (kKeepsAll<T>) {
    MakeAttention(at);
    MakeAttentionTangents(at);
  } else {
    Mix(at);
    MakeTangents(at);
  }
  const Matrix<T> row = at.DualRow(), second = at.Rows(at.call.out_embedding);
  NormalizedRowGradients(at, row, second);
  AddSecondNormalizationSums(at, second);

  const Matrix<T> by_message = at.ByMessage(), by_message_second = at.ByMessageSecond();
  TransposedTimes(block, n, width, n, at.Attention(), row, by_message);
  TransposedTimes(block, n, width, n, at.AttentionTangent(), row, by_message_second);
  TransposedTimes(block, n, width, n, at.Attention(), second, by_message_second, kAdd);
  // From here on these two hold the gradients by themselves.
  const Matrix<T> dual = at.Attention(), primal = at.AttentionTangent();
  TimesTransposed(block, n, n, width, row, at.Message(), dual);
  TimesTransposed(block, n, n, width, row, at.MessageTangent(), primal);
  TimesTransposed(block, n, n, width, second, at.Message(), primal, kAdd);
  SecondScoreGradients(at, primal, dual);

  TransposedTimes(block, attn, width, n, at.ProjectTangent(kValue), by_message, at.OutSum(), kAdd);
  TransposedTimes(block, attn, width, n, at.Project(kValue), by_message_second, at.OutSum(), kAdd);
  const Matrix<T> by_project = at.ByProject(), by_project_second = at.ByProjectSecond();
  TimesTransposed(block, n, attn, width, by_message, at.OutMatrix(), by_project);
  TimesTransposed(block, n, attn, width, by_message_second, at.OutMatrix(), by_project_second);
  ProjectionGradients(at, kValue, second);
  Times(block, n, attn, n, dual, at.Project(kKey), by_project);
  Times(block, n, attn, n, primal, at.Project(kKey), by_project_second);
  Times(block, n, attn, n, dual, at.ProjectTangent(kKey), by_project_second, kAdd);
  ProjectionGradients(at, kQuery, second);
  TransposedTimes(block, n, attn, n, dual, at.Project(kQuery), by_project);
  TransposedTimes(block, n, attn, n, primal, at.Project(kQuery), by_project_second);
  TransposedTimes(block, n, attn, n, dual, at.ProjectTangent(kQuery), by_project_second, kAdd);
  ProjectionGradients(at, kKey, second);
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_PASSES_H_
