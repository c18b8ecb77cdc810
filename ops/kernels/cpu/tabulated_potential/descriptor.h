// From the slots of an atom to its descriptor, and from the derivative by that back to the slots.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DESCRIPTOR_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DESCRIPTOR_H_

#include "kernels.h"
#include "kernels/common/table_interval.h"
#include "kernels/cpu/simd/arena.h"
#include "kernels/cpu/tabulated/polynomial.h"
#include "triangle.h"

namespace {

using deepattn::kColumns;
using deepattn::PotentialBlock;
using deepattn::PotentialSlot;
using deepattn::PotentialSlotGradient;

// Vectors of functions that are summed in registers at once, of four columns each.
constexpr int kMostVectors = DEEPATTN_TILE_ROWS / 2;

// Where a slot's number lies in its table.
template <typename T>
struct Place {
  const T* row;
  const T* factor;  // null: none
  T y;
  T beyond;
};

template <typename T>
inline Place<T> FindPlace(const PotentialBlock<T>& block, const PotentialSlot<T>& slot) {
  const deepattn_tabulated_shape& shape = block.table_shape;
  const Interval<T> at = FindInterval(block.range, shape.nrows, slot.radial);
  const int64_t row = at.row + (shape.ntables > 1 ? slot.pair * shape.nrows : 0);
  return {block.table + row * (kDegree + 1) * shape.stride,
          shape.nfactors == 0 ? nullptr : block.factors + slot.pair * shape.stride, at.y,
          at.beyond};
}

template <typename T>
inline Vec<T> LoadFrom(const T* x) {
  Vec<T> v;
  memcpy(&v, x, sizeof(v));
  return v;
}

// Which steps the slots of an atom need.
struct Steps {
  bool factors;
  bool beyond;  // whether a slot lies beyond its table
};

// Columns k … of Rᵀ G, as many vectors as `vectors`.
template <typename T, int vectors, bool factors, bool beyond>
void ContractColumns(const PotentialSlot<T>* slots, const Place<T>* places, int64_t nslots,
                     int64_t stride, int64_t k, Matrix<T> out) {
  Vec<T> sum[kColumns][vectors];
#pragma GCC unroll 4
  for (int c = 0; c < kColumns; ++c) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sum[c][v] = Vec<T>{};
  }
  for (int64_t j = 0; j < nslots; ++j) {
    const Place<T>& place = places[j];
    const RowCoefficients<T> row(place.row, stride, k);
    Vec<T> embedding[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const auto coefficients = [&](int degree) { return row(degree, v); };
      if constexpr (beyond) {
        Vec<T> slope;
        PolynomialAndSlope<T>(coefficients, place.y, place.beyond, &embedding[v], &slope);
      } else {
        embedding[v] = Polynomial<T>(coefficients, place.y);
      }
    }
    if constexpr (factors) {
      const T weight = slots[j].weight;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        embedding[v] *= T(1) + weight * LoadFrom(place.factor + k + v * kLanes<T>);
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) {
      const T element = slots[j].row[c];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[c][v] += element * embedding[v];
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < kColumns; ++c) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) At(out.Row(c) + k + v * kLanes<T>) = sum[c][v];
  }
}

template <typename T>
using ContractFn = void (*)(const PotentialSlot<T>* slots, const Place<T>* places, int64_t nslots,
                            int64_t stride, int64_t k, Matrix<T> out);

template <typename T, int most = kMostVectors>
inline ContractFn<T> PickContract(int64_t vectors, Steps steps) {
  if constexpr (most > 1) {
    if (vectors < most) return PickContract<T, most - 1>(vectors, steps);
  }
  if (steps.beyond) {
    return steps.factors ? ContractColumns<T, most, true, true>
                         : ContractColumns<T, most, false, true>;
  }
  return steps.factors ? ContractColumns<T, most, true, false>
                       : ContractColumns<T, most, false, false>;
}

// B [4][width] = Rᵀ G / count, its padding zero, and another vector of zeros.
template <typename T>
void Contract(const PotentialBlock<T>& block, const PotentialSlot<T>* slots, const Place<T>* places,
              int64_t nslots, Matrix<T> out) {
  const int64_t width = block.table_shape.width;
  Steps steps = {block.table_shape.nfactors > 0, false};
  for (int64_t j = 0; j < nslots; ++j) steps.beyond = steps.beyond || places[j].beyond != 0;
  const Parts parts(RoundUp<T>(width) / kLanes<T>, kMostVectors);
  for (int64_t p = 0; p < parts.number; ++p) {
    PickContract<T>(parts.Size(p), steps)(slots, places, nslots, block.table_shape.stride,
                                          parts.Begin(p) * kLanes<T>, out);
  }
  for (int c = 0; c < kColumns; ++c) {
    for (int64_t k = 0; k < width; k += kLanes<T>) At(out.Row(c) + k) /= block.count;
    At(out.Row(c) + RoundUp<T>(width)) = Vec<T>{};
  }
}

// The last vector of each row writes zeros into the next, and behind the last row there is room for
// them.
template <typename T>
void Describe(const Triangle& triangle, Matrix<T> b, T* descriptor) {
  for (int64_t k = 0; k < triangle.axis; ++k) {
    T element[kColumns];
    for (int c = 0; c < kColumns; ++c) element[c] = b.Row(c)[k];
    for (int64_t i = k; i < triangle.width; i += kLanes<T>) {
      Vec<T> sum = element[0] * LoadFrom(b.Row(0) + i);
      for (int c = 1; c < kColumns; ++c) sum += element[c] * LoadFrom(b.Row(c) + i);
      memcpy(descriptor + triangle.Row(k) + i, &sum, sizeof(sum));
    }
  }
}

// The vector of a row of the triangle's derivative from number i on, with zeros before number k.
template <typename T>
inline Vec<T> FromDiagonal(const T* row, int64_t k, int64_t i) {
  typename SimdTypes<T>::Index lane = {};
  for (int64_t n = 0; n < kLanes<T>; ++n) lane[n] = n;
  const Vec<T> v = LoadFrom(row + i);
  return lane >= static_cast<decltype(lane[0] + 0)>(k - i) ? v : Vec<T>{};
}

// The derivative by Rᵀ G from that by D; what stands in the padding of its rows means nothing, but
// meets zeros of the tables.
template <typename T>
void DescribeBack(const Triangle& triangle, T count, Matrix<T> b, const T* grad,
                  Matrix<T> grad_contracted) {
  for (int64_t i = 0; i < triangle.width; i += kLanes<T>) {
    const int64_t end = i + kLanes<T> < triangle.axis ? i + kLanes<T> : triangle.axis;
    Vec<T> sum[kColumns] = {};
    for (int64_t k = 0; k < end; ++k) {
      const T* row = grad + triangle.Row(k);
      const Vec<T> from = k > i ? FromDiagonal(row, k, i) : LoadFrom(row + i);
      for (int c = 0; c < kColumns; ++c) sum[c] += b.Row(c)[k] * from;
    }
    for (int c = 0; c < kColumns; ++c) At(grad_contracted.Row(c) + i) = sum[c] / count;
  }
  for (int64_t k = 0; k < triangle.axis; ++k) {
    const T* row = grad + triangle.Row(k);
    Vec<T> sum[kColumns] = {};
    for (int64_t i = k; i < triangle.width; i += kLanes<T>) {
      const Vec<T> from = LoadFrom(row + i);
      for (int c = 0; c < kColumns; ++c) sum[c] += LoadFrom(b.Row(c) + i) * from;
    }
    T total[kColumns];
    SumFour<T>(sum, total);
    for (int c = 0; c < kColumns; ++c) grad_contracted.Row(c)[k] += total[c] / count;
  }
}

// The derivative by a slot from that by Rᵀ G.
template <typename T, bool factors, bool beyond>
void SlotGradient(const PotentialBlock<T>& block, const PotentialSlot<T>& slot,
                  const Place<T>& place, Matrix<T> grad, PotentialSlotGradient<T>* result) {
  Vec<T> grad_radial = {}, grad_weight = {}, grad_row[kColumns] = {};
  RowCoefficients<T> row(place.row, block.table_shape.stride, 0);
  const T* factor_at = place.factor;
  const T* grad_at = grad.data;
  for (int64_t k = 0; k < block.table_shape.width; k += kLanes<T>) {
    Vec<T> value, slope, column[kColumns];
    PolynomialAndSlope<T, beyond>(row, place.y, place.beyond, &value, &slope);
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) column[c] = At(grad_at + c * grad.stride);
    Vec<T> by_embedding = slot.row[0] * column[0];
#pragma GCC unroll 4
    for (int c = 1; c < kColumns; ++c) by_embedding += slot.row[c] * column[c];
    if constexpr (factors) {
      const Vec<T> factor = LoadFrom(factor_at);
      grad_weight += by_embedding * value * factor;
      const Vec<T> scale = T(1) + slot.weight * factor;
      value *= scale;
      by_embedding *= scale;
      factor_at += kLanes<T>;
    }
    grad_radial += slope * by_embedding;
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) grad_row[c] += value * column[c];
    row.Advance();
    grad_at += kLanes<T>;
  }
  grad_row[0] += grad_radial;
  SumFour<T>(grad_row, result->row);
  result->weight = factors ? Sum<T>(grad_weight) : T(0);
}

template <typename T>
inline auto PickSlotGradient(Steps steps) {
  if (steps.beyond)
    return steps.factors ? SlotGradient<T, true, true> : SlotGradient<T, false, true>;
  return steps.factors ? SlotGradient<T, true, false> : SlotGradient<T, false, false>;
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DESCRIPTOR_H_
