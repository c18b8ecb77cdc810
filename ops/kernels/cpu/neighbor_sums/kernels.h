// What each instruction set offers to the driver, `neighbor_sums.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_KERNELS_H_

#include "kernels/common/neighbor_sums.h"
#include "kernels/cpu/instruction_set.h"

namespace deepattn {

// The slots that have row r of the features are slots[begin[r]] … slots[begin[r + 1] − 1],
// ascending.
template <typename T>
struct IndexedNeighborSumsCall : NeighborSumsCall<T> {
  const int64_t* begin;
  const int64_t* slots;
};

template <typename T>
struct NeighborSumsKernels {
  // Does one atom, all but gradients by features that have an index.
  void (*pass[kDoubleBackward + 1])(const IndexedNeighborSumsCall<T>* call, int64_t atom);
  // The gradient by one row of these, in the backward passes.
  void (*row[kDoubleBackward + 1])(const IndexedNeighborSumsCall<T>* call, int64_t row);
};

using NeighborSumsTable = KernelTable<NeighborSumsKernels>;

extern const NeighborSumsTable kNeighborSumsGeneric;
#if defined(__x86_64__)
extern const NeighborSumsTable kNeighborSumsAvx2;
extern const NeighborSumsTable kNeighborSumsAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_KERNELS_H_
