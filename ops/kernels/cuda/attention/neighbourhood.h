// One neighbourhood in the hands of a block: where its matrices are, and the parts that passes have
// in common. Matrices are in global memory and go through the second-level cache: products read a
// number few times from there, and all of them together are far too large to stay closer.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_NEIGHBOURHOOD_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_NEIGHBOURHOOD_H_

#include "kernels/cuda/problem.h"
#include "layout.h"
#include "rows.h"
#include "scores.h"

namespace deepattn {

constexpr double kSmoothDepth = 20;
constexpr double kMaskDepth = 8589934592.0;  // 2^33

// The arguments of a pass. Call is deepattn_attention_call of either precision, with arrays on the
// device.
template <typename Call>
struct AttentionArguments {
  using T = decltype(Call::padding);

  Call call;
  AttentionLayout layout;
  AttentionSums places;
  deepattn_cuda_problem* problem;
  T* memory;  // of the blocks, layout.block_size each
  T* sums;    // of the blocks, places.size each; null: nobody asked for them
};

template <typename Call>
struct Neighbourhood {
  using Arguments = AttentionArguments<Call>;
  using T = typename Arguments::T;

  const Block& block;
  const Call& call;
  const AttentionLayout& layout;
  const AttentionSums& places;
  const int nnei;
  const int width;
  const int attn;
  const int64_t first;  // the atom's first slot among all
  const int n;          // slots that may have weight
  T* const kept;
  T* const state;
  T* const memory;
  T* const sums;  // as in Arguments

  DEEPATTN_DEVICE Neighbourhood(const Block& block, const Arguments& of, int64_t atom)
      : block(block),
        call(of.call),
        layout(of.layout),
        places(of.places),
        nnei(static_cast<int>(call.shape.nnei)),
        width(static_cast<int>(call.shape.width)),
        attn(static_cast<int>(call.shape.attn)),
        first(atom * nnei),
        n(CheckCount(of, atom)),
        kept(call.kept + atom * layout.kept_size),
        state(call.state == nullptr ? nullptr : call.state + atom * layout.state_size),
        memory(of.memory + block.index() * layout.block_size),
        sums(of.sums == nullptr ? nullptr : of.sums + block.index() * places.size) {}

  // The atom's rows of a tensor.
  template <typename U>
  DEEPATTN_DEVICE Matrix<U> Rows(U* tensor) const {
    return {tensor + first * width, width};
  }

  DEEPATTN_DEVICE Matrix<const T> Embedding() const { return Rows(call.embedding); }

  DEEPATTN_DEVICE Matrix<const T> ProjectionMatrix(int p) const {
    const auto& of = call.parameters;
    return {p == kQuery ? of.query_matrix : p == kKey ? of.key_matrix : of.value_matrix, attn};
  }

  DEEPATTN_DEVICE const T* ProjectionBias(int p) const {
    const auto& of = call.parameters;
    return p == kQuery ? of.query_bias : p == kKey ? of.key_bias : of.value_bias;
  }

  DEEPATTN_DEVICE Matrix<const T> OutMatrix() const { return {call.parameters.out_matrix, width}; }

  DEEPATTN_DEVICE Matrix<T> Project(int p) const { return layout.project[p].In(kept); }

  DEEPATTN_DEVICE Unit<T> UnitOf(int p, int j) const {
    return {layout.inverse[p].In(kept).data[j], layout.free[p].In(kept).data[j]};
  }

  DEEPATTN_DEVICE void SetUnit(int p, int j, const Unit<T>& unit) const {
    layout.inverse[p].In(kept).data[j] = unit.inverse;
    layout.free[p].In(kept).data[j] = unit.free;
  }

  DEEPATTN_DEVICE Matrix<T> InMixed(const Piece& piece) const {
    return piece.In(kKeepsAll<T> ? kept : memory);
  }
  DEEPATTN_DEVICE Matrix<T> Message() const { return InMixed(layout.mixed.message); }
  DEEPATTN_DEVICE Matrix<T> Score() const { return InMixed(layout.mixed.score); }
  DEEPATTN_DEVICE Matrix<T> Soft() const { return InMixed(layout.mixed.soft); }
  DEEPATTN_DEVICE Matrix<T> Normalized() const { return InMixed(layout.mixed.normalized); }
  DEEPATTN_DEVICE T* InverseStd() const { return InMixed(layout.mixed.inverse_std).data; }

  DEEPATTN_DEVICE Matrix<T> InTangents(const Piece& piece) const {
    return piece.In(kKeepsAll<T> ? state : memory);
  }
  DEEPATTN_DEVICE Matrix<T> ProjectTangent(int p) const {
    return InTangents(layout.tangents.project[p]);
  }
  DEEPATTN_DEVICE T* Slide(int p) const { return InTangents(layout.tangents.slide[p]).data; }
  DEEPATTN_DEVICE Matrix<T> MessageTangent() const { return InTangents(layout.tangents.message); }
  DEEPATTN_DEVICE Matrix<T> ScoreTangent() const { return InTangents(layout.tangents.score); }
  DEEPATTN_DEVICE Matrix<T> RowTangent() const { return InTangents(layout.tangents.row); }

  DEEPATTN_DEVICE Matrix<T> Attention() const { return layout.attention.In(memory); }
  DEEPATTN_DEVICE Matrix<T> ByMessage() const { return layout.by_message.In(memory); }
  DEEPATTN_DEVICE Matrix<T> ByProject() const { return layout.by_project.In(memory); }
  DEEPATTN_DEVICE T* RowSum(int k) const { return layout.row_sum[k].In(memory).data; }
  DEEPATTN_DEVICE Matrix<T> AttentionTangent() const { return layout.attention_tangent.In(memory); }
  DEEPATTN_DEVICE T* Mean() const { return layout.mean.In(memory).data; }
  DEEPATTN_DEVICE Matrix<T> DualRow() const { return layout.row.In(memory); }
  DEEPATTN_DEVICE Matrix<T> NormalizedTangent() const { return layout.tangent.In(memory); }
  DEEPATTN_DEVICE Matrix<T> ByMessageSecond() const { return layout.by_message_second.In(memory); }
  DEEPATTN_DEVICE Matrix<T> ByProjectSecond() const { return layout.by_project_second.In(memory); }
  DEEPATTN_DEVICE Matrix<T> OutSum() const { return places.out.In(sums); }

  // Shared memory for `ColumnSums`; products leave nothing there that is wanted.
  DEEPATTN_DEVICE T* Partial() const { return reinterpret_cast<T*>(&GemmMemoryOf<T>(block)); }

  DEEPATTN_DEVICE Scores<T> MakeScores() const {
    const bool smooth = call.shape.smooth != 0;
    Scores<T> scores;
    scores.n = n;
    scores.mask = call.shape.mask != 0;
    scores.dotr = call.shape.dotr != 0;
    scores.depth = T(smooth ? kSmoothDepth : kMaskDepth);
    scores.weightless = T(nnei - n) + call.padding;
    scores.slot = {call.weight + first, call.direction + 3 * first, smooth, T(1)};
    scores.tangent = {call.bar_weight + first, call.bar_direction + 3 * first, smooth, T(0)};
    return scores;
  }

  // Attention weights and `layout.mixed` from queries, keys and values.
  DEEPATTN_FUNCTION void Mix() const {
    Times(block, n, width, attn, Project(kValue), OutMatrix(), Message());
    TimesTransposed(block, n, n, attn, Project(kQuery), Project(kKey), Score());
    const Scores<T> scores = MakeScores();
    EachRow(block, n, [&](int j, const Lanes& lanes) {
      scores.Softmax(lanes, j, Score().Row(j), Soft().Row(j));
    });
    MakeAttention();
    Times(block, n, width, n, Attention(), Message(), Normalized());
    EachRow(block, nnei, [&](int j, const Lanes& lanes) {
      // A slot without weight receives no message.
      const T *embedding = Embedding().Row(j), *bias = call.parameters.out_bias;
      T* row = Normalized().Row(j);
      lanes.Each(width,
                 [&](int i) { row[i] = (j < n ? row[i] + embedding[i] : embedding[i]) + bias[i]; });
      const T inverse = Normalize(lanes, width, call.ln_eps, row);
      lanes.Once([&] { InverseStd()[j] = inverse; });
    });
  }

  // Attention weights from `Soft`.
  DEEPATTN_FUNCTION void MakeAttention() const {
    const Scores<T> scores = MakeScores();
    EachRow(block, n, [&](int j, const Lanes& lanes) {
      const T* soft = Soft().Row(j);
      T* row = Attention().Row(j);
      lanes.Each(n, [&](int i) { row[i] = scores.Attention(j, i, soft[i]); });
    });
  }

  // `layout.tangents`, and the tangents of attention weights.
  DEEPATTN_FUNCTION void MakeTangents() const {
    const Matrix<const T> embedding_tangent = Rows(call.bar_embedding);
    for (int p = 0; p < kProjections; ++p) {
      const Matrix<T> tangent = ProjectTangent(p);
      Times(block, n, attn, width, embedding_tangent, ProjectionMatrix(p), tangent);
      EachRow(block, n, [&](int j, const Lanes& lanes) {
        const T slide = UnitTangent(lanes, attn, Project(p).Row(j), UnitOf(p, j), tangent.Row(j));
        lanes.Once([&] { Slide(p)[j] = slide; });
      });
    }
    Times(block, n, width, attn, ProjectTangent(kValue), OutMatrix(), MessageTangent());
    TimesTransposed(block, n, n, attn, ProjectTangent(kQuery), Project(kKey), ScoreTangent());
    TimesTransposed(block, n, n, attn, Project(kQuery), ProjectTangent(kKey), ScoreTangent(), kAdd);
    if (kKeepsAll<T>) MakeAttention();
    MakeAttentionTangents();
    Times(block, n, width, n, AttentionTangent(), Message(), RowTangent());
    Times(block, n, width, n, Attention(), MessageTangent(), RowTangent(), kAdd);
    EachRow(block, nnei, [&](int j, const Lanes& lanes) {
      const T* tangent = embedding_tangent.Row(j);
      T* row = RowTangent().Row(j);
      lanes.Each(width, [&](int i) { row[i] = j < n ? row[i] + tangent[i] : tangent[i]; });
    });
  }

  // Tangents of attention weights, from scores and theirs.
  DEEPATTN_FUNCTION void MakeAttentionTangents() const {
    const Scores<T> scores = MakeScores();
    EachRow(block, n, [&](int j, const Lanes& lanes) {
      const T *score = Score().Row(j), *tangent = ScoreTangent().Row(j), *soft = Soft().Row(j);
      T* row = AttentionTangent().Row(j);
      const T mean = lanes.template Sum<T>(
          n, [&](int i) { return soft[i] * scores.LogitTangent(j, i, score[i], tangent[i]); });
      lanes.Each(n, [&](int i) {
        row[i] = scores.AttentionTangent(j, i, score[i], tangent[i], soft[i], mean);
      });
      lanes.Once([&] { Mean()[j] = mean; });
    });
  }

  // From slot j's row of `tensor`, a gradient by the output, that by the row before normalisation.
  DEEPATTN_DEVICE void NormalizedRowGradient(const Lanes& lanes, int j, const T* tensor,
                                             T* row) const {
    const T *grad = Rows(tensor).Row(j), *gamma = call.parameters.gamma;
    lanes.Each(width, [&](int i) { row[i] = grad[i] * gamma[i]; });
    NormalizeGradient(lanes, width, Normalized().Row(j), InverseStd()[j], row);
  }

  // Of the gradients by the normalisation's parameters and by what is added to its rows, `row`.
  DEEPATTN_FUNCTION void AddNormalizationSums(const Matrix<T>& row) const {
    const Matrix<const T> grad = Rows(call.grad);
    const Matrix<T> normalized = Normalized();
    ColumnSums<T, 3>(
        block, Partial(), nnei, width,
        [&](int j, int i, Numbers<T, 3>* sum) {
          (*sum)[0] += grad.Row(j)[i];
          (*sum)[1] += grad.Row(j)[i] * normalized.Row(j)[i];
          (*sum)[2] += row.Row(j)[i];
        },
        [&](int i, const Numbers<T, 3>& sum) { AddNormalizationSum(i, sum); });
  }

  // The same in the reverse pass, where `second` is the gradient by the rows.
  DEEPATTN_FUNCTION void AddSecondNormalizationSums(const Matrix<T>& second) const {
    const Matrix<const T> grad = Rows(call.grad), bar = Rows(call.bar_output);
    const Matrix<T> normalized = Normalized(), tangent = NormalizedTangent();
    ColumnSums<T, 3>(
        block, Partial(), nnei, width,
        [&](int j, int i, Numbers<T, 3>* sum) {
          (*sum)[0] += bar.Row(j)[i];
          (*sum)[1] += grad.Row(j)[i] * tangent.Row(j)[i] + bar.Row(j)[i] * normalized.Row(j)[i];
          (*sum)[2] += second.Row(j)[i];
        },
        [&](int i, const Numbers<T, 3>& sum) { AddNormalizationSum(i, sum); });
  }

  DEEPATTN_DEVICE void AddNormalizationSum(int i, const Numbers<T, 3>& sum) const {
    sums[places.beta.begin + i] += sum[0];
    sums[places.gamma.begin + i] += sum[1];
    sums[places.out_bias.begin + i] += sum[2];
  }

  // In the reverse pass: the gradients by the tangents of rows before normalisation, into `row`,
  // and by the rows themselves, into `second`; and the tangents of the normalised rows.
  DEEPATTN_FUNCTION void NormalizedRowGradients(const Matrix<T>& row,
                                                const Matrix<T>& second) const {
    EachRow(block, nnei, [&](int j, const Lanes& lanes) {
      const T *grad = Rows(call.grad).Row(j), *gamma = call.parameters.gamma;
      const T* row_tangent = RowTangent().Row(j);
      const T *normalized = Normalized().Row(j), inverse = InverseStd()[j];
      T *dual = row.Row(j), *tangent = NormalizedTangent().Row(j), *primal = second.Row(j);
      NormalizedRowGradient(lanes, j, call.bar_output, primal);
      lanes.Each(width, [&](int i) {
        dual[i] = grad[i] * gamma[i];
        tangent[i] = row_tangent[i];
      });
      NormalizeGradients(lanes, width, normalized, inverse, dual, tangent, primal);
    });
  }

  // From the gradients by attention weights, in place, those by scores; and the gradients by the
  // slots' numbers.
  DEEPATTN_FUNCTION void ScoreGradients(const Matrix<T>& by_score) const {
    const Scores<T> scores = MakeScores();
    T* sum = RowSum(0);
    EachRow(block, n, [&](int j, const Lanes& lanes) {
      const T *soft = Soft().Row(j), *by_p = by_score.Row(j);
      const T total = lanes.template Sum<T>(
          n, [&](int i) { return scores.GradientTerm(j, i, soft[i], by_p[i]); });
      lanes.Once([&] { sum[j] = total; });
    });
    const auto gradient = [&](int j, int i) {
      return scores.Gradient(j, i, Score().Row(j)[i], Soft().Row(j)[i], sum[j], by_score.Row(j)[i]);
    };
    SlotGradients(scores, false, gradient, [&](int j, int i, const ScoreGradient<T>& grad) {
      by_score.Row(j)[i] = grad.by_score;
    });
  }

  // The same in the reverse pass: in place the gradients by scores and by their tangents.
  DEEPATTN_FUNCTION void SecondScoreGradients(const Matrix<T>& primal,
                                              const Matrix<T>& dual) const {
    const Scores<T> scores = MakeScores();
    T *dual_sum = RowSum(0), *primal_sum = RowSum(1);
    const T* mean = Mean();
    EachRow(block, n, [&](int j, const Lanes& lanes) {
      const T *score = Score().Row(j), *tangent = ScoreTangent().Row(j), *soft = Soft().Row(j);
      const auto total = lanes.template Sums<T, 2>(n, [&](int i, Numbers<T, 2>* terms) {
        scores.GradientTerms(j, i, score[i], tangent[i], soft[i], mean[j], primal.Row(j)[i],
                             dual.Row(j)[i], terms);
      });
      lanes.Once([&] {
        dual_sum[j] = total[0];
        primal_sum[j] = total[1];
      });
    });
    const auto gradients = [&](int j, int i) {
      return scores.Gradients(j, i, Score().Row(j)[i], ScoreTangent().Row(j)[i], Soft().Row(j)[i],
                              mean[j], dual_sum[j], primal_sum[j], primal.Row(j)[i],
                              dual.Row(j)[i]);
    };
    SlotGradients(scores, true, gradients, [&](int j, int i, const ScoreGradient<T>& grad) {
      primal.Row(j)[i] = grad.by_score;
      dual.Row(j)[i] = grad.by_score_tangent;
    });
  }

  // The gradients by weights and directions of the slots, first as columns and then as rows, from
  // those that gradient(j, i) tells, which `store` may then overwrite.
  template <typename Gradient, typename Store>
  DEEPATTN_DEVICE void SlotGradients(const Scores<T>& scores, bool tangents,
                                     const Gradient& gradient, const Store& store) const {
    T *by_weight = call.out_weight + first, *by_direction = call.out_direction + 3 * first;
    block.Each(nnei - n, [&](int64_t item) {
      const int64_t j = n + item;
      by_weight[j] = T(0);
      for (int x = 0; x < 3; ++x) by_direction[3 * j + x] = T(0);
    });
    ColumnSums<T, 4>(
        block, Partial(), n, n,
        [&](int j, int i, Numbers<T, 4>* sum) {
          scores.AddToColumn(j, gradient(j, i), tangents, sum);
        },
        [&](int i, const Numbers<T, 4>& sum) {
          by_weight[i] = sum[0];
          for (int x = 0; x < 3; ++x) by_direction[3 * i + x] = sum[1 + x];
        });
    EachRow(block, n, [&](int j, const Lanes& lanes) {
      const auto sum = lanes.template Sums<T, 4>(n, [&](int i, Numbers<T, 4>* terms) {
        const ScoreGradient<T> grad = gradient(j, i);
        scores.AddToRow(i, grad, tangents, terms);
        store(j, i, grad);
      });
      lanes.Once([&] {
        by_weight[j] += sum[0];
        for (int x = 0; x < 3; ++x) by_direction[3 * j + x] += sum[1 + x];
      });
    });
  }

  // From the gradient by the rows of a projection, in `ByProject`, those by what goes into it; that
  // by embeddings is added to `row`.
  DEEPATTN_FUNCTION void ProjectionGradient(int p, const Matrix<T>& row) const {
    const Matrix<T> by_project = ByProject();
    EachRow(block, n, [&](int j, const Lanes& lanes) {
      UnitGradient(lanes, attn, Project(p).Row(j), UnitOf(p, j), by_project.Row(j));
    });
    if (sums != nullptr) {
      AddBiasSum(p, by_project);
      TransposedTimes(block, width, attn, n, Embedding(), by_project, places.project[p].In(sums),
                      kAdd);
    }
    TimesTransposed(block, n, width, attn, by_project, ProjectionMatrix(p), row, kAdd);
  }

  // The same in the reverse pass, from the gradients by the rows and by their tangents.
  DEEPATTN_FUNCTION void ProjectionGradients(int p, const Matrix<T>& row) const {
    const Matrix<T> by_project = ByProject(), second = ByProjectSecond();
    EachRow(block, n, [&](int j, const Lanes& lanes) {
      UnitGradients(lanes, attn, Project(p).Row(j), ProjectTangent(p).Row(j), UnitOf(p, j),
                    Slide(p)[j], second.Row(j), by_project.Row(j));
    });
    AddBiasSum(p, second);
    const Matrix<T> sum = places.project[p].In(sums);
    TransposedTimes(block, width, attn, n, Embedding(), second, sum, kAdd);
    TransposedTimes(block, width, attn, n, Rows(call.bar_embedding), by_project, sum, kAdd);
    TimesTransposed(block, n, width, attn, second, ProjectionMatrix(p), row, kAdd);
  }

  DEEPATTN_FUNCTION void AddBiasSum(int p, const Matrix<T>& rows) const {
    T* bias = places.project_bias[p].In(sums).data;
    ColumnSums<T, 1>(
        block, Partial(), n, attn,
        [&](int j, int i, Numbers<T, 1>* sum) { (*sum)[0] += rows.Row(j)[i]; },
        [&](int i, const Numbers<T, 1>& sum) { bias[i] += sum[0]; });
  }

 private:
  static DEEPATTN_DEVICE int CheckCount(const Arguments& of, int64_t atom) {
    const int count = of.call.count[atom], most = static_cast<int>(of.call.shape.nnei);
    if (count >= 0 && count <= most) return count;
    Report(of.problem, 0, atom, kCountNotOfSlots);
    return count < 0 ? 0 : most;
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_NEIGHBOURHOOD_H_
