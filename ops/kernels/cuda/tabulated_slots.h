// The slots of one atom and the functions of their tables.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_SLOTS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_SLOTS_H_

#include <cmath>

#include "kernels/common/table_interval.h"
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
    const Interval<T> at = FindInterval(range.at, shape.nrows, x);
    const int64_t row = at.row + (shape.ntables > 1 ? index * shape.nrows : 0);
    return {call.table + row * 6 * shape.stride,
            shape.nfactors == 0 ? nullptr : call.factors + index * shape.stride, at.y, at.beyond,
            call.weight == nullptr ? T(1) : call.weight[p]};
  }

  // Function k and its slope.
  DEEPATTN_DEVICE void Evaluate(const TabulatedSlot<T>& slot, int64_t k, T* value, T* slope) const {
    const int64_t step = call.shape.stock ? 1 : call.shape.stride;
    const T* c = slot.coefficients + (call.shape.stock ? 6 * k : k);
    T sum = c[5 * step], derivative = 5 * c[5 * step];
    for (int degree = 4; degree > 0; --degree) {
      sum = sum * slot.y + c[degree * step];
      derivative = derivative * slot.y + static_cast<T>(degree) * c[degree * step];
    }
    *value = sum * slot.y + c[0] + derivative * slot.beyond;
    *slope = derivative;
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
