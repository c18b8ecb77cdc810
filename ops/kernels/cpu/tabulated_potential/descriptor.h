// From the slots of an atom to its descriptor, and from the derivative by that back to the slots.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DESCRIPTOR_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DESCRIPTOR_H_

#include "kernels.h"
#include "kernels/common/table_interval.h"
#include "kernels/cpu/simd/arena.h"
#include "kernels/cpu/tabulated/polynomial.h"

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

// Columns k … of Rᵀ G, as many vectors as `vectors`.
template <typename T, int vectors>
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
    Vec<T> embedding[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const RowCoefficients<T> coefficients = {place.row, stride, k + v * kLanes<T>};
      embedding[v] = Polynomial<T>(coefficients, place.y);
    }
    if (__builtin_expect(place.beyond != 0, 0)) {
      for (int v = 0; v < vectors; ++v) {
        const RowCoefficients<T> coefficients = {place.row, stride, k + v * kLanes<T>};
        Vec<T> slope;
        PolynomialAndSlope<T>(coefficients, place.y, place.beyond, &embedding[v], &slope);
      }
    }
    if (place.factor != nullptr) {
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

template <typename T, int most = kMostVectors>
inline void ContractColumnsOf(int64_t vectors, const PotentialSlot<T>* slots,
                              const Place<T>* places, int64_t nslots, int64_t stride, int64_t k,
                              Matrix<T> out) {
  if constexpr (most > 1) {
    if (vectors < most) {
      ContractColumnsOf<T, most - 1>(vectors, slots, places, nslots, stride, k, out);
      return;
    }
  }
  ContractColumns<T, most>(slots, places, nslots, stride, k, out);
}

// B [4][width] = Rᵀ G / count, its padding zero.
template <typename T>
void Contract(const PotentialBlock<T>& block, const PotentialSlot<T>* slots, const Place<T>* places,
              int64_t nslots, Matrix<T> out) {
  const int64_t width = block.table_shape.width;
  const Parts parts(RoundUp<T>(width) / kLanes<T>, kMostVectors);
  for (int64_t p = 0; p < parts.number; ++p) {
    ContractColumnsOf<T>(parts.Size(p), slots, places, nslots, block.table_shape.stride,
                         parts.Begin(p) * kLanes<T>, out);
  }
  for (int c = 0; c < kColumns; ++c) {
    for (int64_t k = 0; k < width; k += kLanes<T>) At(out.Row(c) + k) /= block.count;
  }
}

// D[k][i] = Σ_c B[c][k] B[c][i] for k < axis. Rows are not aligned: the last vector of each writes
// zeros into the next, and behind the last row there is room for them.
template <typename T>
void Describe(int64_t width, int64_t axis, Matrix<T> b, T* descriptor) {
  for (int64_t k = 0; k < axis; ++k) {
    T element[kColumns];
    for (int c = 0; c < kColumns; ++c) element[c] = b.Row(c)[k];
    for (int64_t i = 0; i < width; i += kLanes<T>) {
      Vec<T> sum = element[0] * At(b.Row(0) + i);
      for (int c = 1; c < kColumns; ++c) sum += element[c] * At(b.Row(c) + i);
      memcpy(descriptor + k * width + i, &sum, sizeof(sum));
    }
  }
}

// The derivative by Rᵀ G from that by D; what stands in the padding of its rows means nothing, but
// meets zeros of the tables.
template <typename T>
void DescribeBack(int64_t width, int64_t axis, T count, Matrix<T> b, const T* grad,
                  Matrix<T> grad_contracted) {
  for (int64_t i = 0; i < width; i += kLanes<T>) {
    Vec<T> sum[kColumns] = {};
    for (int64_t k = 0; k < axis; ++k) {
      const Vec<T> from = LoadFrom(grad + k * width + i);
      for (int c = 0; c < kColumns; ++c) sum[c] += b.Row(c)[k] * from;
    }
    for (int c = 0; c < kColumns; ++c) At(grad_contracted.Row(c) + i) = sum[c] / count;
  }
  for (int64_t k = 0; k < axis; ++k) {
    Vec<T> sum[kColumns] = {};
    for (int64_t i = 0; i < width; i += kLanes<T>) {
      const Vec<T> from = LoadFrom(grad + k * width + i);
      for (int c = 0; c < kColumns; ++c) sum[c] += At(b.Row(c) + i) * from;
    }
    for (int c = 0; c < kColumns; ++c) grad_contracted.Row(c)[k] += Sum<T>(sum[c]) / count;
  }
}

// The derivative by a slot from that by Rᵀ G.
template <typename T>
PotentialSlotGradient<T> SlotGradient(const PotentialBlock<T>& block, const PotentialSlot<T>& slot,
                                      const Place<T>& place, Matrix<T> grad) {
  Vec<T> grad_radial = {}, grad_weight = {}, grad_row[kColumns] = {};
  for (int64_t k = 0; k < block.table_shape.width; k += kLanes<T>) {
    Vec<T> value, slope;
    PolynomialAndSlope<T>(RowCoefficients<T>{place.row, block.table_shape.stride, k}, place.y,
                          place.beyond, &value, &slope);
    Vec<T> by_embedding = slot.row[0] * At(grad.Row(0) + k);
    for (int c = 1; c < kColumns; ++c) by_embedding += slot.row[c] * At(grad.Row(c) + k);
    if (place.factor != nullptr) {
      const Vec<T> factor = LoadFrom(place.factor + k);
      const Vec<T> scale = T(1) + slot.weight * factor;
      grad_weight += by_embedding * value * factor;
      value *= scale;
      slope *= scale;
    }
    grad_radial += slope * by_embedding;
    for (int c = 0; c < kColumns; ++c) grad_row[c] += value * At(grad.Row(c) + k);
  }
  PotentialSlotGradient<T> result;
  for (int c = 0; c < kColumns; ++c) result.row[c] = Sum<T>(grad_row[c]);
  result.row[0] += Sum<T>(grad_radial);
  result.weight = Sum<T>(grad_weight);
  return result;
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_DESCRIPTOR_H_
