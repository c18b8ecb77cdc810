// One neighborhood in the hands of a block: where its matrices are. They are in global memory and
// go through the second-level cache: products read a number few times from there, and all of them
// together are far too large to stay closer.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_NEIGHBORHOOD_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_NEIGHBORHOOD_H_

#include <math.h>

#include "kernels/cuda/problem.h"
#include "layout.h"
#include "rows.h"
#include "scores.h"

namespace deepattn {

// The arguments of a pass. Call is an AttentionCall of either precision, with arrays on the
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
struct Neighborhood {
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
  T* const saved;
  T* const saved_tangents;
  T* const memory;
  T* const sums;  // as in Arguments

  DEEPATTN_DEVICE Neighborhood(const Block& block, const Arguments& of, int64_t atom)
      : block(block),
        call(of.call),
        layout(of.layout),
        places(of.places),
        nnei(static_cast<int>(call.shape.nnei)),
        width(static_cast<int>(call.shape.width)),
        attn(static_cast<int>(call.shape.attn)),
        first(atom * nnei),
        n(call.count[atom]),
        saved(call.saved + atom * layout.saved_size),
        saved_tangents(call.saved_tangents == nullptr
                           ? nullptr
                           : call.saved_tangents + atom * layout.saved_tangents_size),
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

  DEEPATTN_DEVICE Matrix<T> Project(int p) const { return layout.project[p].In(saved); }

  DEEPATTN_DEVICE Unit<T> UnitOf(int p, int j) const {
    return {layout.inverse[p].In(saved).data[j], layout.free[p].In(saved).data[j]};
  }

  DEEPATTN_DEVICE void SetUnit(int p, int j, const Unit<T>& unit) const {
    layout.inverse[p].In(saved).data[j] = unit.inverse;
    layout.free[p].In(saved).data[j] = unit.free;
  }

  DEEPATTN_DEVICE Matrix<T> InMixed(const Piece& piece) const {
    return piece.In(kSavesAll<T> ? saved : memory);
  }
  DEEPATTN_DEVICE Matrix<T> Message() const { return InMixed(layout.mixed.message); }
  DEEPATTN_DEVICE Matrix<T> Score() const { return InMixed(layout.mixed.score); }
  DEEPATTN_DEVICE Matrix<T> Soft() const { return InMixed(layout.mixed.soft); }
  DEEPATTN_DEVICE Matrix<T> Normalized() const { return InMixed(layout.mixed.normalized); }
  DEEPATTN_DEVICE T* InverseStd() const { return InMixed(layout.mixed.inverse_std).data; }

  DEEPATTN_DEVICE Matrix<T> InTangents(const Piece& piece) const {
    return piece.In(kSavesAll<T> ? saved_tangents : memory);
  }
  DEEPATTN_DEVICE Matrix<T> ProjectTangent(int p) const {
    return InTangents(layout.tangents.project[p]);
  }
  DEEPATTN_DEVICE T* Slide(int p) const { return InTangents(layout.tangents.slide[p]).data; }
  DEEPATTN_DEVICE Matrix<T> MessageTangent() const { return InTangents(layout.tangents.message); }
  DEEPATTN_DEVICE Matrix<T> ScoreTangent() const { return InTangents(layout.tangents.score); }
  DEEPATTN_DEVICE Matrix<T> RowTangent() const { return InTangents(layout.tangents.row); }

  DEEPATTN_DEVICE Matrix<T> Attention() const { return layout.attention.In(memory); }
  DEEPATTN_DEVICE Matrix<T> GradMessage() const { return layout.grad_message.In(memory); }
  DEEPATTN_DEVICE Matrix<T> GradProject() const { return layout.grad_project.In(memory); }
  DEEPATTN_DEVICE T* RowSum(int k) const { return layout.row_sum[k].In(memory).data; }
  DEEPATTN_DEVICE Matrix<T> AttentionTangent() const { return layout.attention_tangent.In(memory); }
  DEEPATTN_DEVICE T* Mean() const { return layout.mean.In(memory).data; }
  DEEPATTN_DEVICE Matrix<T> GradRow() const { return layout.row.In(memory); }
  DEEPATTN_DEVICE Matrix<T> NormalizedTangent() const { return layout.tangent.In(memory); }
  DEEPATTN_DEVICE Matrix<T> OuterGradMessage() const {
    return layout.outer_grad_message.In(memory);
  }
  DEEPATTN_DEVICE Matrix<T> OuterGradProject() const {
    return layout.outer_grad_project.In(memory);
  }
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
    scores.tangent = {call.grad_grad_weight + first, call.grad_grad_direction + 3 * first, smooth,
                      T(0)};
    return scores;
  }
};

// Whether an atom's count is one of slots. If not, that is reported, and its results are set to
// what is not a number.
template <typename Call>
DEEPATTN_DEVICE bool CheckCount(const Block& block, const AttentionArguments<Call>& of,
                                int64_t atom) {
  using T = typename AttentionArguments<Call>::T;
  const Call& call = of.call;
  const int64_t nnei = call.shape.nnei, width = call.shape.width;
  if (call.count[atom] >= 0 && call.count[atom] <= nnei) return true;
  block.Each(1, [&](int64_t) { Report(of.problem, 0, atom, kCountNotOfSlots); });
  const auto spoil = [&](T* tensor, int64_t columns) {
    if (tensor == nullptr) return;
    block.Each(nnei * columns,
               [&](int64_t k) { tensor[atom * nnei * columns + k] = static_cast<T>(NAN); });
  };
  spoil(call.output, width);
  spoil(call.grad_grad_output, width);
  spoil(call.grad_embedding, width);
  spoil(call.grad_direction, 3);
  spoil(call.grad_weight, 1);
  return false;
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_NEIGHBORHOOD_H_
