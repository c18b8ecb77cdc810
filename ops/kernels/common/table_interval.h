// Which interval of a table a number lies in.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_TABLE_INTERVAL_H_
#define DEEPATTN_OPS_KERNELS_COMMON_TABLE_INTERVAL_H_

#include <stdint.h>

#include "kernels/common/both.h"

namespace {

template <typename T>
struct Interval {
  int64_t row;
  T y;       // from the left edge of the interval
  T beyond;  // from the end of the table, if the number lies outside
};

// What is wrong where RangeFits is false, with the numbers of rows, then of the range.
constexpr char kRangeMisfit[] =
    "the table has %lld rows, which do not fit its range: from %g to %g in steps of %g and to %g "
    "in steps of %g";

template <typename T>
inline bool RangeFits(const T* range, int64_t nrows) {
  const T lower = range[0], upper = range[1], most = range[2];
  const T fine = (upper - lower) / range[3], coarse = (most - upper) / range[4];
  // Writers round the sum of the two numbers of intervals down.
  const T missing = fine + coarse - static_cast<T>(nrows);
  return range[3] > 0 && range[4] > 0 && fine >= 0 && coarse >= 0 &&
         fine < static_cast<T>(nrows) + 1 && missing < T(1.01) && missing > T(-1.01);
}

// `range` and intervals as in TabulatedCall. What is not a number lies beyond the end.
template <typename T>
DEEPATTN_BOTH Interval<T> FindInterval(const T* range, int64_t nrows, T x) {
  const T lower = range[0], upper = range[1], most = range[2], fine = range[3], coarse = range[4];
  const int64_t nfine = static_cast<int64_t>((upper - lower) / fine), last = nrows - 1;
  if (x < lower) return {0, 0, x - lower};
  const bool inside = x < most;
  const T end = inside ? x : most;
  int64_t row = last;
  if (x < upper) {
    row = static_cast<int64_t>((x - lower) / fine);
  } else if (inside && (x - upper) / coarse < static_cast<T>(nrows)) {
    row = nfine + static_cast<int64_t>((x - upper) / coarse);
  }
  if (row > last) row = last;
  const T left = row < nfine ? lower + row * fine : upper + (row - nfine) * coarse;
  return {row, end - left, inside ? T(0) : x - most};
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_COMMON_TABLE_INTERVAL_H_
