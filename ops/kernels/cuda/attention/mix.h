// From the projections of a neighborhood to the rows of its output, and the tangents of both.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_MIX_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_MIX_H_

#include "neighborhood.h"

namespace deepattn {

// Attention weights from `Soft`.
template <typename Call>
DEEPATTN_FUNCTION void MakeAttention(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  const Scores<T> scores = at.MakeScores();
  EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
    const T* soft = at.Soft().Row(j);
    T* row = at.Attention().Row(j);
    lanes.Each(at.n, [&](int i) { row[i] = scores.Attention(j, i, soft[i]); });
  });
}

// Attention weights and `layout.mixed` from queries, keys and values.
template <typename Call>
DEEPATTN_FUNCTION void Mix(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  Times(at.block, at.n, at.width, at.attn, at.Project(kValue), at.OutMatrix(), at.Message());
  TimesTransposed(at.block, at.n, at.n, at.attn, at.Project(kQuery), at.Project(kKey), at.Score());
  const Scores<T> scores = at.MakeScores();
  EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
    scores.Softmax(lanes, j, at.Score().Row(j), at.Soft().Row(j));
  });
  MakeAttention(at);
  Times(at.block, at.n, at.width, at.n, at.Attention(), at.Message(), at.Normalized());
  EachRow(at.block, at.nnei, [&](int j, const Lanes& lanes) {
    // A slot without weight receives no message.
    const T *embedding = at.Embedding().Row(j), *bias = at.call.parameters.out_bias;
    T* row = at.Normalized().Row(j);
    lanes.Each(at.width, [&](int i) {
      row[i] = (j < at.n ? row[i] + embedding[i] : embedding[i]) + bias[i];
    });
    const T inverse = Normalize(lanes, at.width, at.call.ln_eps, row);
    lanes.Once([&] { at.InverseStd()[j] = inverse; });
  });
}

// Tangents of attention weights, from scores and theirs.
template <typename Call>
DEEPATTN_FUNCTION void MakeAttentionTangents(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  const Scores<T> scores = at.MakeScores();
  EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
    const T *score = at.Score().Row(j), *tangent = at.ScoreTangent().Row(j),
            *soft = at.Soft().Row(j);
    T* row = at.AttentionTangent().Row(j);
    const T mean = lanes.template Sum<T>(
        at.n, [&](int i) { return soft[i] * scores.LogitTangent(j, i, score[i], tangent[i]); });
    lanes.Each(at.n, [&](int i) {
      row[i] = scores.AttentionTangent(j, i, score[i], tangent[i], soft[i], mean);
    });
    lanes.Once([&] { at.Mean()[j] = mean; });
  });
}

// `layout.tangents`, and the tangents of attention weights.
template <typename Call>
DEEPATTN_FUNCTION void MakeTangents(const Neighborhood<Call>& at) {
  using T = typename Neighborhood<Call>::T;
  const Matrix<const T> embedding_tangent = at.Rows(at.call.grad_grad_embedding);
  for (int p = 0; p < kProjections; ++p) {
    const Matrix<T> tangent = at.ProjectTangent(p);
    Times(at.block, at.n, at.attn, at.width, embedding_tangent, at.ProjectionMatrix(p), tangent);
    EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
      const T slide =
          UnitTangent(lanes, at.attn, at.Project(p).Row(j), at.UnitOf(p, j), tangent.Row(j));
      lanes.Once([&] { at.Slide(p)[j] = slide; });
    });
  }
  Times(at.block, at.n, at.width, at.attn, at.ProjectTangent(kValue), at.OutMatrix(),
        at.MessageTangent());
  TimesTransposed(at.block, at.n, at.n, at.attn, at.ProjectTangent(kQuery), at.Project(kKey),
                  at.ScoreTangent());
  TimesTransposed(at.block, at.n, at.n, at.attn, at.Project(kQuery), at.ProjectTangent(kKey),
                  at.ScoreTangent(), kAdd);
  if (kSavesAll<T>) MakeAttention(at);
  MakeAttentionTangents(at);
  Times(at.block, at.n, at.width, at.n, at.AttentionTangent(), at.Message(), at.RowTangent());
  Times(at.block, at.n, at.width, at.n, at.Attention(), at.MessageTangent(), at.RowTangent(), kAdd);
  EachRow(at.block, at.nnei, [&](int j, const Lanes& lanes) {
    const T* tangent = embedding_tangent.Row(j);
    T* row = at.RowTangent().Row(j);
    lanes.Each(at.width, [&](int i) { row[i] = j < at.n ? row[i] + tangent[i] : tangent[i]; });
  });
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_MIX_H_
