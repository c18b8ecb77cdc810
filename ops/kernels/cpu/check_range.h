// The check of a table's range that the kernels over tables begin with.
#ifndef DEEPATTN_OPS_KERNELS_CPU_CHECK_RANGE_H_
#define DEEPATTN_OPS_KERNELS_CPU_CHECK_RANGE_H_

#include "kernels/common/table_interval.h"
#include "parallel.h"

namespace deepattn {

// Reports and returns false unless a range fits a table of so many rows.
template <typename T>
bool CheckRange(const T* range, int64_t nrows, FirstError* error) {
  if (RangeFits(range, nrows)) return true;
  const auto number = [&](int k) { return static_cast<double>(range[k]); };
  error->Report(0, DEEPATTN_INVALID_ARGUMENT, kRangeMisfit, static_cast<long long>(nrows),
                number(0), number(1), number(3), number(2), number(4));
  return false;
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_CHECK_RANGE_H_
