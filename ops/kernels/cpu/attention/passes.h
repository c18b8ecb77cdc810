// The passes over one neighborhood. Those behind the forward pass begin with what is
// saved.
// Messages, values times the output matrix, are what is mixed, since they have fewer columns than
// values as a rule.
// common/passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_PASSES_H_

#include "memory.h"

namespace {

using deepattn::kMaskDepth;
using deepattn::kSmoothDepth;

template <typename T>
class Neighborhood {
 public:
  Neighborhood(const PackedAttentionCall<T>& call, int64_t atom, int pass, T* block)
      : call_(call),
        shape_(call.shape),
        first_(atom * shape_.nnei),
        n_(call.count[atom]),
        width_(RoundUp<T>(shape_.width)),
        attn_(RoundUp<T>(shape_.attn)),
        packed_(PackedOf(call)),
        saved_arena_(call.saved + call.saved_offset[atom]),
        saved_tangents_arena_(call.saved_tangents == nullptr
                                  ? nullptr
                                  : call.saved_tangents + call.saved_tangents_offset[atom]),
        scratch_arena_(block),
        saved_(shape_, n_, &saved_arena_),
        at_(shape_, pass, &scratch_arena_),
        mixed_(shape_, n_, kSavesAll<T> ? &saved_arena_ : &scratch_arena_),
        tangents_(shape_, n_, kSavesAll<T> ? &saved_tangents_arena_ : &scratch_arena_) {
    scores_.n = n_;
    scores_.padded = RoundUp<T>(n_);
    scores_.mask = shape_.mask != 0;
    scores_.depth = T(shape_.smooth ? kSmoothDepth : kMaskDepth);
    scores_.weightless = T(shape_.nnei - n_) + call.padding;
    scores_.live = at_.live;
    scores_.slot = at_.slot;
    scores_.tangent = at_.slot_tangent;
    scores_.slot_grad = at_.slot_grad;
  }

  void Forward() {
    ReadInputs();
    for (int p = 0; p < kProjections; ++p) {
      const Matrix<T> rows = saved_.project[p];
      Product(n_, shape_.attn, shape_.width, at_.embedding, packed_.project[p], rows);
      for (int64_t j = 0; j < n_; ++j) {
        MakeUnit(attn_, packed_.project_bias[p], rows.Row(j), &saved_.unit[p][j]);
      }
    }
    Mix();
    T* row = at_.given;
    for (int64_t j = 0; j < shape_.nnei; ++j) {
      const T* normalized = NormalizedRow(j).row;
      for (int64_t i = 0; i < width_; i += kLanes<T>) {
        At(row + i) = At(normalized + i) * At(packed_.gamma + i) + At(packed_.beta + i);
      }
      Write(row, j, call_.output);
    }
  }

  void Backward(T* sums) {
    ReadInputs();
    if (kSavesAll<T>) {
      for (int64_t j = 0; j < n_; ++j) scores_.Gate(j, mixed_.soft.Row(j), at_.attention.Row(j));
    } else {
      Mix();
    }
    Arena<T> arena(sums);
    const Parameters<T> parameters(shape_, &arena);
    const Parameters<T>* sum = sums == nullptr ? nullptr : &parameters;
    for (int64_t j = 0; j < shape_.nnei; ++j) {
      T* row = at_.grad_row.Row(Place(j));
      NormalizedRowBackward(j, NormalizedRow(j), call_.grad_output, row, sum);
      if (sum != nullptr) AddTo(width_, row, sum->out_bias);
      if (j >= n_) Write(row, j, call_.grad_embedding);
    }
    TransposedProduct(n_, shape_.width, n_, at_.attention, at_.grad_row, at_.grad_message);
    if (sum != nullptr) {
      TransposedProduct(shape_.attn, shape_.width, n_, saved_.project[kValue], at_.grad_message,
                        sum->out, kAdd);
    }
    Transpose(n_, shape_.width, mixed_.message, at_.transposed);
    const Matrix<T> grad_score = at_.attention;
    Product(n_, n_, shape_.width, at_.grad_row, at_.transposed, grad_score);
    ClearSlots(n_, at_.slot_grad);
    for (int64_t j = 0; j < n_; ++j) {
      scores_.Backward(j, mixed_.score.Row(j), mixed_.soft.Row(j), grad_score.Row(j));
    }
    Product(n_, shape_.attn, shape_.width, at_.grad_message, packed_.out_transposed,
            at_.grad_project);
    ProjectionBackward(kValue, sum);
    Product(n_, shape_.attn, n_, grad_score, saved_.project[kKey], at_.grad_project);
    ProjectionBackward(kQuery, sum);
    TransposedProduct(n_, shape_.attn, n_, grad_score, saved_.project[kQuery], at_.grad_project);
    ProjectionBackward(kKey, sum);
    WriteGradients(at_.grad_row);
  }

  void Tangent() {
    ReadInputs();
    ReadTangents();
    if (!kSavesAll<T>) Mix();
    MakeTangents();
    T* row = at_.given;
    for (int64_t j = 0; j < shape_.nnei; ++j) {
      const auto [normalized, inverse_std] = NormalizedRow(j);
      ReadRowTangent(j, row);
      // The derivative of the normalization is symmetric.
      NormalizeBackward(width_, shape_.width, packed_.live, normalized, inverse_std, row);
      for (int64_t i = 0; i < width_; i += kLanes<T>) At(row + i) *= At(packed_.gamma + i);
      Write(row, j, call_.grad_grad_output);
    }
  }

  void Reverse(T* sums) {
    ReadInputs();
    ReadTangents();
    if (kSavesAll<T>) {
      MakeAttentionTangents();
    } else {
      Mix();
      MakeTangents();
    }
    Arena<T> arena(sums);
    const Parameters<T> sum(shape_, &arena);
    for (int64_t j = 0; j < shape_.nnei; ++j) NormalizedRowReverse(j, sum);
    TransposedProduct(n_, shape_.width, n_, at_.attention, at_.grad_row, at_.grad_message);
    TransposedProduct(n_, shape_.width, n_, at_.attention_tangent, at_.grad_row,
                      at_.outer_grad_message);
    TransposedProduct(n_, shape_.width, n_, at_.attention, at_.outer_grad_row,
                      at_.outer_grad_message, kAdd);
    TransposedProduct(shape_.attn, shape_.width, n_, tangents_.project[kValue], at_.grad_message,
                      sum.out, kAdd);
    TransposedProduct(shape_.attn, shape_.width, n_, saved_.project[kValue], at_.outer_grad_message,
                      sum.out, kAdd);
    Transpose(n_, shape_.width, mixed_.message, at_.transposed);
    Transpose(n_, shape_.width, tangents_.message, at_.transposed_tangent);
    // From here on these two hold the gradients by themselves.
    const Matrix<T> grad_score = at_.attention, outer_grad_score = at_.attention_tangent;
    Product(n_, n_, shape_.width, at_.grad_row, at_.transposed, grad_score);
    Product(n_, n_, shape_.width, at_.grad_row, at_.transposed_tangent, outer_grad_score);
    Product(n_, n_, shape_.width, at_.outer_grad_row, at_.transposed, outer_grad_score, kAdd);
    ClearSlots(n_, at_.slot_grad);
    for (int64_t j = 0; j < n_; ++j) {
      scores_.Reverse(j, mixed_.score.Row(j), tangents_.score.Row(j), mixed_.soft.Row(j),
                      at_.mean[j], outer_grad_score.Row(j), grad_score.Row(j));
    }
    const Matrix<T> grad_project = at_.grad_project, outer_grad = at_.outer_grad_project;
    Product(n_, shape_.attn, shape_.width, at_.grad_message, packed_.out_transposed, grad_project);
    Product(n_, shape_.attn, shape_.width, at_.outer_grad_message, packed_.out_transposed,
            outer_grad);
    ProjectionReverse(kValue, sum);
    Product(n_, shape_.attn, n_, grad_score, saved_.project[kKey], grad_project);
    Product(n_, shape_.attn, n_, outer_grad_score, saved_.project[kKey], outer_grad);
    Product(n_, shape_.attn, n_, grad_score, tangents_.project[kKey], outer_grad, kAdd);
    ProjectionReverse(kQuery, sum);
    TransposedProduct(n_, shape_.attn, n_, grad_score, saved_.project[kQuery], grad_project);
    TransposedProduct(n_, shape_.attn, n_, outer_grad_score, saved_.project[kQuery], outer_grad);
    TransposedProduct(n_, shape_.attn, n_, grad_score, tangents_.project[kQuery], outer_grad, kAdd);
    ProjectionReverse(kKey, sum);
    WriteGradients(at_.outer_grad_row);
  }

 private:
  static Packed<T> PackedOf(const PackedAttentionCall<T>& call) {
    Arena<T> arena(const_cast<T*>(call.packed));
    return Packed<T>(call.shape, &arena);
  }

  const T* Read(const T* tensor, int64_t j, T* row) const {
    CopyPadded(shape_.width, tensor + (first_ + j) * shape_.width, row);
    return row;
  }

  void ReadEmbeddings(const T* tensor, Matrix<T> rows) const {
    for (int64_t j = 0; j < n_; ++j) Read(tensor, j, rows.Row(j));
  }

  void Write(const T* row, int64_t j, T* tensor) const {
    Copy(shape_.width, row, tensor + (first_ + j) * shape_.width);
  }

  // The slots' columns of tensors of weights and directions.
  void ReadColumns(const T* weight, const T* direction, T constant, const Slots<T>& slot) const {
    const T* angles = shape_.dotr ? direction + 3 * first_ : nullptr;
    ReadSlots(n_, weight + first_, angles, shape_.smooth != 0, constant, slot);
  }

  void ReadInputs() {
    ReadColumns(call_.weight, call_.direction, T(1), at_.slot);
    for (int64_t j = 0; j < scores_.padded; ++j) at_.live[j] = T(j < n_);
    ReadEmbeddings(call_.embedding, at_.embedding);
  }

  // Attention weights and `mixed_` from queries, keys and values.
  void Mix() const {
    Product(n_, shape_.width, shape_.attn, saved_.project[kValue], packed_.out, mixed_.message);
    Transpose(n_, shape_.attn, saved_.project[kKey], at_.transposed);
    Product(n_, n_, shape_.attn, saved_.project[kQuery], at_.transposed, mixed_.score);
    for (int64_t j = 0; j < n_; ++j) {
      scores_.Softmax(j, mixed_.score.Row(j), mixed_.soft.Row(j));
      scores_.Gate(j, mixed_.soft.Row(j), at_.attention.Row(j));
    }
    Product(n_, shape_.width, n_, at_.attention, mixed_.message, mixed_.normalized);
    for (int64_t j = 0; j < n_; ++j) {
      mixed_.inverse_std[j] = NormalizeRow(at_.embedding.Row(j), mixed_.normalized.Row(j));
    }
  }

  void ReadTangents() {
    ReadColumns(call_.grad_grad_weight, call_.grad_grad_direction, T(0), at_.slot_tangent);
    ReadEmbeddings(call_.grad_grad_embedding, at_.embedding_tangent);
  }

  void MakeTangents() const {
    for (int p = 0; p < kProjections; ++p) {
      const Matrix<T> tangent = tangents_.project[p];
      Product(n_, shape_.attn, shape_.width, at_.embedding_tangent, packed_.project[p], tangent);
      for (int64_t j = 0; j < n_; ++j) {
        tangents_.slide[p][j] =
            UnitTangent(attn_, saved_.project[p].Row(j), saved_.unit[p][j], tangent.Row(j));
      }
    }
    Product(n_, shape_.width, shape_.attn, tangents_.project[kValue], packed_.out,
            tangents_.message);
    Transpose(n_, shape_.attn, saved_.project[kKey], at_.transposed);
    Transpose(n_, shape_.attn, tangents_.project[kKey], at_.transposed_tangent);
    Product(n_, n_, shape_.attn, tangents_.project[kQuery], at_.transposed, tangents_.score);
    Product(n_, n_, shape_.attn, saved_.project[kQuery], at_.transposed_tangent, tangents_.score,
            kAdd);
    MakeAttentionTangents();
    Product(n_, shape_.width, n_, at_.attention_tangent, mixed_.message, tangents_.row);
    Product(n_, shape_.width, n_, at_.attention, tangents_.message, tangents_.row, kAdd);
    for (int64_t j = 0; j < n_; ++j) {
      AddTo(width_, at_.embedding_tangent.Row(j), tangents_.row.Row(j));
    }
  }

  // Attention weights and their tangents, from scores and theirs.
  void MakeAttentionTangents() const {
    for (int64_t j = 0; j < n_; ++j) {
      at_.mean[j] =
          scores_.GateTangents(j, mixed_.score.Row(j), tangents_.score.Row(j), mixed_.soft.Row(j),
                               at_.attention.Row(j), at_.attention_tangent.Row(j));
    }
  }

  // Of slot j, before the normalization.
  void ReadRowTangent(int64_t j, T* row) const {
    if (j < n_) {
      Copy(width_, tangents_.row.Row(j), row);
    } else {
      Read(call_.grad_grad_embedding, j, row);
    }
  }

  // Where the row of slot j is in matrices of rows of the output.
  int64_t Place(int64_t j) const { return j < n_ ? j : shape_.nnei; }

  // From mixed messages the row of the layer normalization, in place; returns the inverse of the
  // standard deviation.
  T NormalizeRow(const T* embedding, T* row) const {
    AddTo(width_, embedding, row);
    AddTo(width_, packed_.out_bias, row);
    return Normalize(width_, shape_.width, packed_.live, call_.ln_eps, row);
  }

  struct Normalized {
    const T* row;
    T inverse_std;
  };

  // The row of slot j; one without weight receives no message.
  Normalized NormalizedRow(int64_t j) const {
    if (j < n_) return {mixed_.normalized.Row(j), mixed_.inverse_std[j]};
    memset(at_.normalized, 0, width_ * sizeof(T));
    const T* embedding = Read(call_.embedding, j, at_.embedding.Row(j));
    return {at_.normalized, NormalizeRow(embedding, at_.normalized)};
  }

  // From slot j's row of `tensor`, a gradient by the output, that by the row before normalization;
  // adds to the gradients by the normalization's parameters.
  void NormalizedRowBackward(int64_t j, Normalized of, const T* tensor, T* row,
                             const Parameters<T>* sum) const {
    Read(tensor, j, row);
    if (sum != nullptr) {
      AddTo(width_, row, sum->beta);
      for (int64_t i = 0; i < width_; i += kLanes<T>) {
        At(sum->gamma + i) += At(row + i) * At(of.row + i);
      }
    }
    for (int64_t i = 0; i < width_; i += kLanes<T>) At(row + i) *= At(packed_.gamma + i);
    NormalizeBackward(width_, shape_.width, packed_.live, of.row, of.inverse_std, row);
  }

  // In the reverse pass: the gradients by the tangent of the row before normalization, into `row`,
  // and by the row itself, into `outer_grad`.
  void NormalizedRowReverse(int64_t j, const Parameters<T>& sum) const {
    T *row = at_.grad_row.Row(Place(j)), *outer_grad = at_.outer_grad_row.Row(Place(j));
    T *given = at_.given, *tangent = at_.tangent;
    const Normalized of = NormalizedRow(j);
    ReadRowTangent(j, tangent);
    Read(call_.grad_output, j, given);
    for (int64_t i = 0; i < width_; i += kLanes<T>) {
      At(row + i) = At(given + i) * At(packed_.gamma + i);
    }
    NormalizeReverse(width_, shape_.width, packed_.live, of.row, of.inverse_std, row, tangent,
                     outer_grad);
    for (int64_t i = 0; i < width_; i += kLanes<T>) {
      At(sum.gamma + i) += At(given + i) * At(tangent + i);
    }
    NormalizedRowBackward(j, of, call_.outer_grad_output, given, &sum);
    AddTo(width_, given, outer_grad);
    AddTo(width_, outer_grad, sum.out_bias);
    if (j >= n_) Write(outer_grad, j, call_.grad_embedding);
  }

  // From the gradient by the rows of a projection, in `grad_project`, those by what goes into it.
  void ProjectionBackward(Projection p, const Parameters<T>* sum) const {
    const Matrix<T> grad_project = at_.grad_project;
    for (int64_t j = 0; j < n_; ++j) {
      UnitBackward(attn_, saved_.project[p].Row(j), saved_.unit[p][j], grad_project.Row(j));
      if (sum != nullptr) AddTo(attn_, grad_project.Row(j), sum->project_bias[p]);
    }
    if (sum != nullptr) {
      TransposedProduct(shape_.width, shape_.attn, n_, at_.embedding, grad_project, sum->project[p],
                        kAdd);
    }
    Product(n_, shape_.width, shape_.attn, grad_project, packed_.project_transposed[p],
            at_.grad_row, kAdd);
  }

  // The same in the reverse pass, from the gradients by the rows and by their tangents.
  void ProjectionReverse(Projection p, const Parameters<T>& sum) const {
    const Matrix<T> grad_project = at_.grad_project, outer_grad = at_.outer_grad_project;
    for (int64_t j = 0; j < n_; ++j) {
      UnitReverse(attn_, saved_.project[p].Row(j), tangents_.project[p].Row(j), saved_.unit[p][j],
                  tangents_.slide[p][j], outer_grad.Row(j), grad_project.Row(j));
      AddTo(attn_, outer_grad.Row(j), sum.project_bias[p]);
    }
    TransposedProduct(shape_.width, shape_.attn, n_, at_.embedding, outer_grad, sum.project[p],
                      kAdd);
    TransposedProduct(shape_.width, shape_.attn, n_, at_.embedding_tangent, grad_project,
                      sum.project[p], kAdd);
    Product(n_, shape_.width, shape_.attn, outer_grad, packed_.project_transposed[p],
            at_.outer_grad_row, kAdd);
  }

  // The gradients by the slots' numbers, and by the embeddings of slots that may have weight.
  void WriteGradients(Matrix<T> grad_embedding) const {
    for (int64_t j = 0; j < n_; ++j) Write(grad_embedding.Row(j), j, call_.grad_embedding);
    WriteSlots(n_, shape_.nnei, at_.slot_grad, shape_.smooth != 0, shape_.dotr != 0,
               call_.grad_weight + first_, call_.grad_direction + 3 * first_);
  }

  const PackedAttentionCall<T>& call_;
  const Shape& shape_;
  const int64_t first_;  // the atom's first slot among all
  const int64_t n_;      // slots that may have weight
  const int64_t width_;  // padded, as the next
  const int64_t attn_;
  const Packed<T> packed_;
  Arena<T> saved_arena_;
  Arena<T> saved_tangents_arena_;
  Arena<T> scratch_arena_;
  const Saved<T> saved_;
  const Scratch<T> at_;
  const Mixed<T> mixed_;
  const Tangents<T> tangents_;
  Scores<T> scores_;
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_PASSES_H_
