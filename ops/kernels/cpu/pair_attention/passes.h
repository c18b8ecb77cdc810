// The passes over one neighborhood, head by head. common/passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_PASSES_H_

#include "gate.h"
#include "kernels/common/attention.h"
#include "memory.h"

namespace {

template <typename T>
class Neighborhood {
 public:
  Neighborhood(const PackedPairAttentionCall<T>& call, int64_t atom, int pass, T* block)
      : call_(call),
        shape_(call.shape),
        first_(atom * shape_.nnei),
        n_(Weighted()),
        width_(shape_.width),
        parameters_(ParametersOf(call)),
        arena_(block),
        at_(shape_, pass, &arena_),
        scores_{},
        gate_(scores_) {
    scores_.n = n_;
    scores_.padded = RoundUp<T>(n_);
    scores_.depth = T(shape_.smooth ? deepattn::kSmoothDepth : deepattn::kMaskDepth);
    scores_.weightless = T(shape_.nnei - n_) + call.padding;
    scores_.live = at_.live;
    scores_.slot = at_.slot;
    scores_.tangent = at_.slot_tangent;
    scores_.slot_grad = at_.slot_grad;
  }

  void Forward() {
    ReadInputs();
    Clear(at_.output);
    for (int64_t head = 0; head < shape_.heads; ++head) {
      Mix(head);
      for (int64_t j = 0; j < n_; ++j) scores_.Gate(j, at_.soft.Row(j), at_.attention.Row(j));
      Product(n_, width_, n_, at_.attention, at_.head.message, at_.output, kAdd);
    }
    Write(at_.output, call_.output);
  }

  void Backward(T* sums) {
    ReadInputs();
    ReadRows(call_.grad_output, at_.grad_output);
    ClearSlots(n_, at_.slot_grad);
    Clear(at_.grad_features);
    Arena<T> arena(sums);
    const Heads<T> sum(shape_, &arena);
    for (int64_t head = 0; head < shape_.heads; ++head) {
      Mix(head);
      for (int64_t j = 0; j < n_; ++j) scores_.Gate(j, at_.soft.Row(j), at_.attention.Row(j));
      TransposedProduct(n_, width_, n_, at_.attention, at_.grad_output, at_.grad_rows);
      AddThrough(at_.grad_rows, OfHead(shape_, parameters_.transposed.message, head));
      if (sums != nullptr) AddByParameters(at_.grad_rows, OfHead(shape_, sum.message, head));

      const Matrix<T> grad_score = at_.attention;
      Transpose(n_, width_, at_.head.message, at_.message_transposed);
      Product(n_, n_, width_, at_.grad_output, at_.message_transposed, grad_score);
      for (int64_t j = 0; j < n_; ++j) {
        T* row = grad_score.Row(j);
        scores_.Backward(j, at_.head.score.Row(j), at_.soft.Row(j), row);
        if (shape_.gate) gate_.Backward(j, at_.head.bare.Row(j), row);
      }
      Product(n_, width_, n_, grad_score, at_.features, at_.grad_rows);
      AddThrough(at_.grad_rows, OfHead(shape_, parameters_.transposed.score, head));
      if (sums != nullptr) AddByParameters(at_.grad_rows, OfHead(shape_, sum.score, head));
      TransposedProduct(n_, width_, n_, grad_score, at_.head.query, at_.grad_features, kAdd);
    }
    WriteGradients();
  }

  void DoubleBackward(T* sums) {
    ReadInputs();
    ReadTangents();
    ReadRows(call_.grad_output, at_.grad_output);
    ClearSlots(n_, at_.slot_grad);
    Clear(at_.grad_features);
    Clear(at_.output);
    Arena<T> arena(sums);
    const Heads<T> sum(shape_, &arena);
    const Matrix<T> tangent = at_.output;
    for (int64_t head = 0; head < shape_.heads; ++head) {
      Mix(head);
      MixTangents(head);
      Product(n_, width_, n_, at_.attention_tangent, at_.head.message, tangent, kAdd);
      Product(n_, width_, n_, at_.attention, at_.tangent.message, tangent, kAdd);

      const Matrix<T> grad_rows = at_.grad_rows, outer_grad_rows = at_.outer_grad_rows;
      TransposedProduct(n_, width_, n_, at_.attention, at_.grad_output, grad_rows);
      TransposedProduct(n_, width_, n_, at_.attention_tangent, at_.grad_output, outer_grad_rows);
      AddThrough(outer_grad_rows, OfHead(shape_, parameters_.transposed.message, head));
      AddByParameters(grad_rows, outer_grad_rows, OfHead(shape_, sum.message, head));

      // From here on these two hold the gradients by themselves.
      const Matrix<T> grad_score = at_.attention, outer_grad_score = at_.attention_tangent;
      Transpose(n_, width_, at_.head.message, at_.message_transposed);
      Product(n_, n_, width_, at_.grad_output, at_.message_transposed, grad_score);
      Transpose(n_, width_, at_.tangent.message, at_.message_transposed);
      Product(n_, n_, width_, at_.grad_output, at_.message_transposed, outer_grad_score);
      for (int64_t j = 0; j < n_; ++j) {
        T *grad = grad_score.Row(j), *outer_grad = outer_grad_score.Row(j);
        scores_.Reverse(j, at_.head.score.Row(j), at_.tangent.score.Row(j), at_.soft.Row(j),
                        at_.mean[j], outer_grad, grad);
        if (shape_.gate) {
          gate_.Reverse(j, at_.head.bare.Row(j), at_.tangent.bare.Row(j), outer_grad, grad);
        }
      }
      Product(n_, width_, n_, grad_score, at_.features, grad_rows);
      Product(n_, width_, n_, outer_grad_score, at_.features, outer_grad_rows);
      Product(n_, width_, n_, grad_score, at_.features_tangent, outer_grad_rows, kAdd);
      AddThrough(outer_grad_rows, OfHead(shape_, parameters_.transposed.score, head));
      AddByParameters(grad_rows, outer_grad_rows, OfHead(shape_, sum.score, head));
      TransposedProduct(n_, width_, n_, outer_grad_score, at_.head.query, at_.grad_features, kAdd);
      TransposedProduct(n_, width_, n_, grad_score, at_.tangent.query, at_.grad_features, kAdd);
    }
    Write(tangent, call_.grad_grad_output);
    WriteGradients();
  }

 private:
  static PackedHeads<T> ParametersOf(const PackedPairAttentionCall<T>& call) {
    Arena<T> arena(const_cast<T*>(call.packed));
    return PackedHeads<T>(call.shape, &arena);
  }

  // Slots up to the last one that has weight.
  int64_t Weighted() const {
    int64_t n = shape_.nnei;
    while (n > 0 && call_.weight[first_ + n - 1] == T(0)) --n;
    return n;
  }

  void ReadRows(const T* tensor, Matrix<T> rows) const {
    for (int64_t j = 0; j < n_; ++j)
      CopyPadded(width_, tensor + (first_ + j) * width_, rows.Row(j));
  }

  void Clear(Matrix<T> rows) const {
    for (int64_t j = 0; j < n_; ++j) memset(rows.Row(j), 0, RoundUp<T>(width_) * sizeof(T));
  }

  // Rows of slots without weight are zero.
  void Write(Matrix<T> rows, T* tensor) const {
    T* to = tensor + first_ * width_;
    for (int64_t j = 0; j < n_; ++j) Copy(width_, rows.Row(j), to + j * width_);
    memset(to + n_ * width_, 0, (shape_.nnei - n_) * width_ * sizeof(T));
  }

  void ReadInputs() {
    ReadSlots(n_, call_.weight + first_, call_.vectors + 3 * first_, shape_.smooth != 0, T(1),
              at_.slot);
    for (int64_t j = 0; j < scores_.padded; ++j) at_.live[j] = T(j < n_);
    ReadRows(call_.features, at_.features);
    Transpose(n_, width_, at_.features, at_.transposed);
  }

  void ReadTangents() {
    ReadSlots(n_, call_.grad_grad_weight + first_, call_.grad_grad_vectors + 3 * first_,
              shape_.smooth != 0, T(0), at_.slot_tangent);
    ReadRows(call_.grad_grad_features, at_.features_tangent);
    Transpose(n_, width_, at_.features_tangent, at_.transposed_tangent);
  }

  // The messages of a head, its scores and their softmax.
  void Mix(int64_t head) const {
    const HeadRows<T>& to = at_.head;
    Product(n_, width_, width_, at_.features, OfHead(shape_, parameters_.score, head), to.query);
    Product(n_, width_, width_, at_.features, OfHead(shape_, parameters_.message, head),
            to.message);
    Product(n_, n_, width_, to.query, at_.transposed, to.bare);
    for (int64_t j = 0; j < n_; ++j) {
      if (shape_.gate) gate_.Forward(j, to.bare.Row(j), to.score.Row(j));
      scores_.Softmax(j, to.score.Row(j), at_.soft.Row(j));
    }
  }

  // The tangents of what `Mix` computes, and the attention with its tangent.
  void MixTangents(int64_t head) const {
    const HeadRows<T>& to = at_.tangent;
    Product(n_, width_, width_, at_.features_tangent, OfHead(shape_, parameters_.score, head),
            to.query);
    Product(n_, width_, width_, at_.features_tangent, OfHead(shape_, parameters_.message, head),
            to.message);
    Product(n_, n_, width_, to.query, at_.transposed, to.bare);
    Product(n_, n_, width_, at_.head.query, at_.transposed_tangent, to.bare, kAdd);
    for (int64_t j = 0; j < n_; ++j) {
      if (shape_.gate) {
        gate_.Tangent(j, at_.head.bare.Row(j), to.bare.Row(j), to.score.Row(j));
      }
      at_.mean[j] = scores_.GateTangents(j, at_.head.score.Row(j), to.score.Row(j), at_.soft.Row(j),
                                         at_.attention.Row(j), at_.attention_tangent.Row(j));
    }
  }

  // From gradients by rows that are features times a matrix, of which the transposed is given,
  // those by the features.
  void AddThrough(Matrix<T> grad, Matrix<T> transposed) const {
    Product(n_, width_, width_, grad, transposed, at_.grad_features, kAdd);
  }

  // And those by the matrix.
  void AddByParameters(Matrix<T> grad, Matrix<T> sum) const {
    TransposedProduct(width_, width_, n_, at_.features, grad, sum, kAdd);
  }

  // Likewise from gradients by the rows and by their tangents.
  void AddByParameters(Matrix<T> grad, Matrix<T> outer_grad, Matrix<T> sum) const {
    AddByParameters(outer_grad, sum);
    TransposedProduct(width_, width_, n_, at_.features_tangent, grad, sum, kAdd);
  }

  void WriteGradients() const {
    Write(at_.grad_features, call_.grad_features);
    WriteSlots(n_, shape_.nnei, at_.slot_grad, shape_.smooth != 0, true, call_.grad_weight + first_,
               call_.grad_vectors + 3 * first_);
  }

  const PackedPairAttentionCall<T>& call_;
  const Shape& shape_;
  const int64_t first_;  // the atom's first slot among all
  const int64_t n_;      // slots that may have weight
  const int64_t width_;
  const PackedHeads<T> parameters_;
  Arena<T> arena_;
  const Scratch<T> at_;
  Scores<T> scores_;
  const ScoreGate<T> gate_;
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_PASSES_H_
