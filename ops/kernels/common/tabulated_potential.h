// The potential of a compressed model without attention, from coordinates to forces: what it takes
// and gives.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_TABULATED_POTENTIAL_H_
#define DEEPATTN_OPS_KERNELS_COMMON_TABULATED_POTENTIAL_H_

#include "kernels/common/both.h"
#include "kernels/common/env_mat.h"
#include "kernels/common/factor_switch.h"
#include "kernels/common/tabulated.h"

namespace deepattn {

constexpr int kMostHidden = 16;

// A fitting net of the descriptor D. Hidden layer k makes h = tanh(x W + b), times its time step if
// it has one, and adds x `copies` times side by side. The rest of the first layer's input, and its
// bias, come as offsets of its sum.
template <typename T>
struct FittingNet {
  int64_t input;  // width of D
  int64_t nhidden;
  int64_t width[kMostHidden];
  int64_t copies[kMostHidden];
  const T* matrix[kMostHidden];  // [inputs][outputs]; of the first the rows of D
  const T* bias[kMostHidden];    // null for the first
  const T* step[kMostHidden];    // or null
  const T* last_matrix;          // [last width]
  const T* last_bias;            // [1]
};

// Descriptors from which the distance of D is the length of (D basis - origin) root, with those of
// the center's type (docs/uncertainty.md).
template <typename T>
struct DistanceBasis {
  int64_t ncomponents;
  const T* basis;   // [width · axis][ncomponents]
  const T* origin;  // [ntypes][ncomponents]
  const T* root;    // [ntypes][ncomponents][ncomponents]
};

// F is the type of coordinates and forces, T that of tables and nets.
//
// With the normalized environment matrix R [nnei][4] of an atom and the embedding G [nnei][width]
// of kernels/common/tabulated.h at the first column of R, B = Rᵀ G / count, and the descriptor is
// D[i·axis + k] = Σ_c B[c][i] B[c][k]. Slots without a neighbor count too; they have the type of
// their block, and ntypes if there is one block for all types.
template <typename F, typename T>
struct PotentialCall {
  deepattn_env_mat_shape atoms;
  const F* coord;        // [nframes][nall][3], Å
  const int32_t* atype;  // [nframes][nall], negative: a virtual atom
  const F* box;          // [nframes][9]
  const F* davg;         // [ntypes][nnei][4], the same for all slots
  const F* dstd;
  const F* keep;  // [ntypes][ntypes + 1], 0: excluded pairs; or null
  // Whether the rows of excluded pairs are davg[0] in every column, as in DeePMD-kit's TensorFlow
  // backend with a switch, rather than zero.
  int excluded_is_average;

  deepattn_tabulated_shape table_shape;
  const T* table;
  const T* range;
  const T* factors;  // [nfactors][stride]
  int sees_center;   // pairs are numbered center · (ntypes + 1) + neighbor, else by the neighbor
  int switch_kind;   // what scales the factors of a pair of types
  const F* switch_range;  // where it begins and ends, Å; not rounded as in `atoms`
  T count;
  int64_t axis;

  int64_t nnets;          // 1, or one for each type of center; first layers are of the same width
  const T* type_offset;   // [ntypes][width of the first layer]
  const T* frame_offset;  // [nframes][same], or null
  const T* atom_offset;   // [nframes][nloc][same], or null

  F* atom_energy;  // [nframes][nloc], eV; 0 for virtual atoms
  F* force;        // [nframes][nall][3], eV/Å
  F* virial;       // [nframes][9], eV
  F* atom_virial;  // [nframes][nall][9], eV

  DistanceBasis<T> distance_basis;
  F* distance;  // [nframes][nloc], 0 for virtual atoms; or null

  DEEPATTN_BOTH bool IsKept(int32_t center, int32_t neighbor) const {
    return keep == nullptr || keep[center * (atoms.ntypes + 1) + neighbor] != 0;
  }

  DEEPATTN_BOTH int32_t PairNumber(int32_t center, int32_t neighbor) const {
    return sees_center ? center * (atoms.ntypes + 1) + neighbor : neighbor;
  }

  // Of the rows of excluded pairs, with the averages of the center.
  DEEPATTN_BOTH F ExcludedElement(const F* averages) const {
    return excluded_is_average ? averages[0] : F(0);
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_TABULATED_POTENTIAL_H_
