// The slots of one atom and the functions of their tables.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_SLOTS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_SLOTS_H_

#include <cmath>

#include "kernels/common/table_interval.h"
#include "launch.h"
#include "problem.h"
#include "tabulated.h"

namespace deepattn {

// Where a slot's number lies in its table, and what its embedding is scaled with.
template <typename T>
struct TabulatedSlot {
  const T* coefficients;
  const T* factor;  // null: none
  T y;
  T beyond;
  T weight;
};

template <typename T>
DEEPATTN_DEVICE TabulatedSlot<T> FindSlot(const deepattn_tabulated_shape& shape, const T* table,
                                          const T* factors, const T* range, int64_t index, T x,
                                          T weight) {
  const Interval<T> at = FindInterval(range, shape.nrows, x);
  const int64_t row = at.row + (shape.ntables > 1 ? index * shape.nrows : 0);
  return {table + row * 6 * shape.stride,
          shape.nfactors == 0 ? nullptr : factors + index * shape.stride, at.y, at.beyond, weight};
}

// A function of a slot's table: the embedding is value · scale.
template <typename T>
struct TabulatedFunction {
  T value;
  T slope;
  T factor;
  T scale;

  DEEPATTN_DEVICE TabulatedFunction(const deepattn_tabulated_shape& shape,
                                    const TabulatedSlot<T>& slot, int64_t k)
      : factor(slot.factor == nullptr ? T(0) : slot.factor[k]), scale(T(1) + slot.weight * factor) {
    const int64_t step = shape.stock ? 1 : shape.stride;
    const T* c = slot.coefficients + (shape.stock ? 6 * k : k);
    T sum = c[5 * step], derivative = 5 * c[5 * step];
    for (int degree = 4; degree > 0; --degree) {
      sum = sum * slot.y + c[degree * step];
      derivative = derivative * slot.y + static_cast<T>(degree) * c[degree * step];
    }
    value = sum * slot.y + c[0] + derivative * slot.beyond;
    slope = derivative;
  }

  // Adds what the function gives to the gradients by the slot's number, by its weight, and by its
  // row of the matrix: `grad` is the one by the contraction's columns of this function.
  DEEPATTN_DEVICE T AddGradients(const Numbers<T, kColumns>& row, const Numbers<T, kColumns>& grad,
                                 Numbers<T, 2 + kColumns>* sums) const {
    T by_embedding = 0;
    for (int c = 0; c < kColumns; ++c) {
      by_embedding += row[c] * grad[c];
      (*sums)[2 + c] += value * scale * grad[c];
    }
    AddGradients(by_embedding, sums);
    return by_embedding;
  }

  // Without the matrix.
  DEEPATTN_DEVICE void AddGradients(T by_embedding, Numbers<T, 2 + kColumns>* sums) const {
    (*sums)[0] += slope * scale * by_embedding;
    (*sums)[1] += by_embedding * value * factor;
  }
};

// Fails unless a range in the host's memory fits a table of so many rows.
template <typename T>
void CheckRange(const T* range, int64_t nrows, Queue* queue) {
  if (RangeFits(range, nrows)) return;
  const auto number = [&](int k) { return static_cast<double>(range[k]); };
  queue->Fail(DEEPATTN_INVALID_ARGUMENT, kRangeMisfit, static_cast<long long>(nrows), number(0),
              number(1), number(3), number(2), number(4));
}

template <typename T>
struct TabulatedSlots {
  TabulatedCall<T> call;  // its range is null, and in `range` instead
  Numbers<T, 5> range;
  deepattn_cuda_problem* problem;

  // Slot p over all atoms.
  DEEPATTN_DEVICE TabulatedSlot<T> At(int64_t p) const {
    const deepattn_tabulated_shape& shape = call.shape;
    int64_t index = call.index == nullptr ? p : call.index[p];
    const int64_t number = shape.ntables > 1 ? shape.ntables : shape.nfactors;
    T x = call.rows[p];
    if (call.index != nullptr && number > 0 && (index < 0 || index >= number)) {
      Report(problem, 0, p / shape.nnei, kIndexTooLarge);
      index = 0;
      x = static_cast<T>(NAN);  // and so are the results
    }
    return FindSlot(shape, call.table, call.factors, range.at, index, x,
                    call.weight == nullptr ? T(1) : call.weight[p]);
  }

  // How many slots of an atom count, and how often the last of them does: of sorted slots those
  // behind the first that looks like the last are like it.
  DEEPATTN_DEVICE void Count(const Block& block, int64_t atom, int64_t* slots,
                             T* times_of_last) const {
    const int64_t nnei = call.shape.nnei, first = atom * nnei;
    *slots = nnei;
    *times_of_last = 1;
    if (!call.shape.is_sorted) return;
    const auto padding = block.Reduce<long long, 1>(
        nnei, static_cast<long long>(nnei - 1),
        [&](int64_t j, Numbers<long long, 1>* to) {
          const auto row = Load<kColumns>(call.matrix + (first + j) * kColumns);
          const bool alike = call.rows[first + j] == call.rows[first + nnei - 1] && row[1] == 0 &&
                             row[2] == 0 && row[3] == 0;
          if (alike && j < (*to)[0]) (*to)[0] = j;
        },
        [](long long a, long long b) { return a < b ? a : b; });
    *slots = padding[0] + 1;
    *times_of_last = static_cast<T>(nnei - padding[0]);
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_SLOTS_H_
