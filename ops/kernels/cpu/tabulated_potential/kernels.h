// What each instruction set offers to the driver, `tabulated_potential.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_KERNELS_H_

#include "kernels/common/tabulated.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/tabulated_potential.h"

namespace deepattn {

// Atoms that go through the net together: enough to share its weights, while their descriptors fill
// a part of a second-level cache.
constexpr int64_t kBlockAtoms = 48;

// A row of the environment matrix, or all of an atom's that have no neighbor.
template <typename T>
struct PotentialSlot {
  T row[kColumns];
  T radial;  // what the table is evaluated at: the first of the row, unless that stands for several
  T weight;  // of the factors
  int32_t pair;
};

// The energy's derivative by a row, without the share of the weight, and by the weight.
template <typename T>
struct PotentialSlotGradient {
  T row[kColumns];
  T weight;
};

template <typename T>
struct PotentialBlock {
  // Of all blocks.
  deepattn_tabulated_shape table_shape;
  const T* table;
  const T* range;
  const T* factors;
  T count;
  int64_t axis;
  const FittingNet<T>* net;
  const T* packed;
  const DistanceBasis<T>* distance_basis;  // its basis packed; null if no distances are wanted
  // Of this one.
  int64_t natoms;
  const int64_t* first;      // [natoms + 1], its slots
  const int64_t* neighbors;  // [natoms], how many slots of it have a neighbor; they come first
  const PotentialSlot<T>* slots;
  const T* const* offset;              // [natoms][3], rows to add to the first layer's sum, or null
  T* energy;                           // [natoms]
  const int32_t* type;                 // [natoms]
  T* square;                           // of the distances, [natoms], or null
  PotentialSlotGradient<T>* gradient;  // where slots have a neighbor
};

// Sizes are in elements; buffers are aligned to 64 bytes.
template <typename T>
struct PotentialKernels {
  int64_t (*packed_size)(const FittingNet<T>* net, int64_t axis);
  void (*pack)(const FittingNet<T>* net, int64_t axis, T* packed);
  int64_t (*packed_basis_size)(int64_t input, int64_t axis, int64_t ncomponents);
  void (*pack_basis)(const DistanceBasis<T>* basis, int64_t input, int64_t axis, T* packed);
  // For blocks of at most kBlockAtoms atoms of at most `nslots` slots each.
  int64_t (*scratch_size)(const PotentialBlock<T>* block, int64_t nslots);
  void (*evaluate)(const PotentialBlock<T>* block, T* scratch);
};

using PotentialTable = KernelTable<PotentialKernels>;

extern const PotentialTable kPotentialGeneric;
#if defined(__x86_64__)
extern const PotentialTable kPotentialAvx2;
extern const PotentialTable kPotentialAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_KERNELS_H_
