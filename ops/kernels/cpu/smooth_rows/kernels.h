// What each instruction set offers for the pairs of a center. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SMOOTH_ROWS_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_SMOOTH_ROWS_KERNELS_H_

#include <stdint.h>

#include "kernels/cpu/instruction_set.h"

namespace deepattn {

// Pairs of a center, a column for each number: vectors, what kernels/common/smooth_row.h makes of
// them, and the weights of kernels/common/factor_switch.h.
template <typename F>
struct PairColumns {
  const F* d[3];
  F* row[4];
  F* radial;
  F* outer;
  F* diagonal;
  F* weight;
  F* slope;
};

template <typename F>
struct RowSettings {
  float rcut;
  float rcut_smth;
  int switch_kind;
  const F* switch_range;
};

// Of a frame: coord [natoms][3], atype [natoms].
template <typename F>
struct FrameAtoms {
  int64_t natoms;
  const F* coord;
  const int32_t* atype;
};

template <typename F>
struct RowKernels {
  // The distances of kernels/common/selection_distance.h of a center from the entries of a list,
  // infinite for virtual atoms. Returns false if an entry is no other atom.
  bool (*square_distances)(const FrameAtoms<F>* atoms, int64_t center, const int32_t* list,
                           int64_t listed, float* distance);
  // Fills all columns but those of the vectors.
  void (*fill)(const RowSettings<F>* settings, const PairColumns<F>* pairs, int64_t npairs);
  // The derivatives t by the vectors, from those by the rows.
  void (*through)(const PairColumns<F>* pairs, int64_t npairs, const F* const* by_row, F* const* t);
};

using RowTable = KernelTable<RowKernels>;

extern const RowTable kRowsGeneric;
#if defined(__x86_64__)
extern const RowTable kRowsAvx2;
extern const RowTable kRowsAvx512;
#endif

constexpr const RowTable* kRowTables[kInstructionSets] = {
    &kRowsGeneric,
#if defined(__x86_64__)
    &kRowsAvx2,
    &kRowsAvx512,
#endif
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_SMOOTH_ROWS_KERNELS_H_
