// The passes over the slots of one atom: forward and gradient.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_PASSES_H_

#include "kernels.h"
#include "kernels/common/table_interval.h"
#include "kernels/cpu/simd/arena.h"
#include "kernels/cpu/simd/partial.h"
#include "polynomial.h"

namespace {

using deepattn::kColumns;
using deepattn::TabulatedCall;

// `stock`: how the coefficients lie, see deepattn_tabulated_shape.
template <typename T, bool stock>
class Atom {
 public:
  Atom(const TabulatedCall<T>& call, int64_t atom, T* scratch)
      : call_(call), shape_(call.shape), first_(atom * shape_.nnei), atom_(atom) {
    Arena<T> arena(scratch);
    rows_ = arena.Rows(kColumns, shape_.width);
  }

  static int64_t ScratchSize(const deepattn_tabulated_shape& shape) {
    Arena<T> arena(nullptr);
    arena.Rows(kColumns, shape.width);
    return arena.used();
  }

  void Forward() {
    const int64_t width = shape_.width;
    if (!shape_.contracted) {
      for (int64_t j = 0; j < shape_.nnei; ++j) {
        const Slot slot = SlotAt(j);
        for (int64_t k = 0; k < width; k += kLanes<T>) At(rows_.Row(0) + k) = Embedding(slot, k);
        Copy(width, rows_.Row(0), call_.output + (first_ + j) * width);
      }
      return;
    }
    for (int c = 0; c < kColumns; ++c) memset(rows_.Row(c), 0, RoundUp<T>(width) * sizeof(T));
    for (int64_t j = 0; j < shape_.nnei; ++j) {
      const Slot slot = SlotAt(j);
      const int64_t times = Multiplicity(j);
      const T* row = Matrix4(j);
      const T m[kColumns] = {times * row[0], times * row[1], times * row[2], times * row[3]};
      for (int64_t k = 0; k < width; k += kLanes<T>) {
        const Vec<T> embedding = Embedding(slot, k);
        for (int c = 0; c < kColumns; ++c) At(rows_.Row(c) + k) += m[c] * embedding;
      }
      if (times > 1) break;
    }
    for (int c = 0; c < kColumns; ++c) {
      Copy(width, rows_.Row(c), call_.output + (atom_ * kColumns + c) * width);
    }
  }

  void Backward() {
    if (shape_.contracted) {
      for (int c = 0; c < kColumns; ++c) {
        const T* grad = call_.grad_output + (atom_ * kColumns + c) * shape_.width;
        CopyPadded(shape_.width, grad, rows_.Row(c));
      }
    }
    int64_t j = 0;
    for (int64_t times = 1; j < shape_.nnei && times == 1; ++j) {
      times = Multiplicity(j);
      SlotBackward(j, times);
    }
    for (; j < shape_.nnei; ++j) NoGradient(j);
  }

 private:
  // Where a slot's number lies in its table, and what its embedding is scaled with.
  struct Slot {
    Interval<T> at;
    const T* coefficients;
    const T* factor;  // null: none
    T weight;
  };

  Slot SlotAt(int64_t j) const {
    const int64_t p = first_ + j;
    const int64_t index = call_.index == nullptr ? p : call_.index[p];
    const Interval<T> at = FindInterval(call_.range, shape_.nrows, call_.rows[p]);
    const int64_t row = at.row + (shape_.ntables > 1 ? index * shape_.nrows : 0);
    return {at, call_.table + row * 6 * shape_.stride,
            shape_.nfactors == 0 ? nullptr : call_.factors + index * shape_.stride,
            call_.weight == nullptr ? T(1) : call_.weight[p]};
  }

  const T* Matrix4(int64_t j) const { return call_.matrix + (first_ + j) * kColumns; }

  // For how many slots a slot counts.
  int64_t Multiplicity(int64_t j) const {
    if (!shape_.is_sorted) return 1;
    const T* row = Matrix4(j);
    const T last = call_.rows[first_ + shape_.nnei - 1];
    const bool padding =
        call_.rows[first_ + j] == last && row[1] == 0 && row[2] == 0 && row[3] == 0;
    return padding ? shape_.nnei - j : 1;
  }

  // The coefficients of the functions from number k on.
  auto Coefficients(const Slot& slot, int64_t k) const {
    if constexpr (stock) {
      const int64_t n = shape_.width - k;
      return StockCoefficients<T>{slot.coefficients, n < kLanes<T> ? n : kLanes<T>, k};
    } else {
      return RowCoefficients<T>{slot.coefficients, shape_.stride, k};
    }
  }

  Vec<T> Factor(const Slot& slot, int64_t k) const {
    return Load(slot.factor + k, stock ? shape_.width - k : kLanes<T>);
  }

  Vec<T> Embedding(const Slot& slot, int64_t k) const {
    Vec<T> value;
    if (slot.at.beyond == 0) {
      value = Polynomial<T>(Coefficients(slot, k), slot.at.y);
    } else {
      Vec<T> slope;
      PolynomialAndSlope<T>(Coefficients(slot, k), slot.at.y, slot.at.beyond, &value, &slope);
    }
    return slot.factor == nullptr ? value : value * (T(1) + slot.weight * Factor(slot, k));
  }

  void SlotBackward(int64_t j, int64_t times) {
    const int64_t p = first_ + j, width = shape_.width;
    const Slot slot = SlotAt(j);
    const T* row = nullptr;
    if (!shape_.contracted) {
      CopyPadded(width, call_.grad_output + p * width, rows_.Row(0));
    } else {
      row = Matrix4(j);
    }
    Vec<T> grad_row = {}, grad_weight = {}, grad_matrix[kColumns] = {};
    for (int64_t k = 0; k < width; k += kLanes<T>) {
      Vec<T> value, slope, scale = Vec<T>{} + T(1), factor = {};
      PolynomialAndSlope<T>(Coefficients(slot, k), slot.at.y, slot.at.beyond, &value, &slope);
      if (slot.factor != nullptr) {
        factor = Factor(slot, k);
        scale += slot.weight * factor;
      }
      Vec<T> grad = At(rows_.Row(0) + k);  // by the embedding
      if (row != nullptr) {
        const Vec<T> embedding = value * scale;
        grad *= row[0];
        for (int c = 1; c < kColumns; ++c) grad += row[c] * At(rows_.Row(c) + k);
        for (int c = 0; c < kColumns; ++c) grad_matrix[c] += embedding * At(rows_.Row(c) + k);
      }
      const Vec<T> grad_scale = grad * value;
      grad_row += slope * scale * grad;
      grad_weight += grad_scale * factor;
      if (call_.grad_factors == nullptr) continue;
      T* out = call_.grad_factors + p * width + k;
      for (int64_t i = 0; i < kLanes<T> && k + i < width; ++i) {
        out[i] = times * slot.weight * grad_scale[i];
      }
    }
    call_.grad_rows[p] = times * Sum<T>(grad_row);
    if (call_.grad_weight != nullptr) call_.grad_weight[p] = Sum<T>(grad_weight);
    if (row == nullptr) return;
    T* out = call_.grad_matrix + p * kColumns;
    for (int c = 0; c < kColumns; ++c) out[c] = times * Sum<T>(grad_matrix[c]);
  }

  void NoGradient(int64_t j) {
    const int64_t p = first_ + j;
    call_.grad_rows[p] = 0;
    memset(call_.grad_matrix + p * kColumns, 0, kColumns * sizeof(T));
    if (call_.grad_factors == nullptr) return;
    memset(call_.grad_factors + p * shape_.width, 0, shape_.width * sizeof(T));
  }

  const TabulatedCall<T>& call_;
  const deepattn_tabulated_shape& shape_;
  const int64_t first_;  // slot
  const int64_t atom_;
  Matrix<T> rows_;  // the output, or the gradient by it
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_PASSES_H_
