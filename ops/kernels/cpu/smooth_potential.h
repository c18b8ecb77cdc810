// The potential of a model without attention, from its environment matrix: embedding nets,
// contraction, descriptor and fitting nets, and back through all of them to the derivative by the
// matrix. Its gradient by the weights is the second operation.
//
// The energy E and its derivative dE/dR go into a loss; the cotangents of both are e (by atom) and
// U (by row of R). The gradient by a weight is that of Σ e E + U·dE/dR, and the second term is the
// derivative of E along U. So values and their tangents along U go through all layers together,
// and one reverse sweep gives the gradient of both.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_H_
#define DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_H_

#include "kernels/common/runtime.h"
#include "tabulated_potential.h"

namespace deepattn {

// Embedding nets of the radial entry of a row, of equal widths. Their first layer is
// tanh(radial · scale + offset), with offsets by pair of types; each other one makes
// h = tanh(x W + b), times its time step if it has one, and adds x if that is as wide, or twice
// side by side if h is twice as wide. The result is scaled by 1 + weight · factor of the pair of
// types.
template <typename T>
struct EmbeddingNets {
  int64_t nnets;
  int64_t nlayers;
  int64_t npairs;
  int64_t width[kMostHidden];
  const int32_t* net;      // [npairs], negative: the embedding is zero
  const T* const* scale;   // [nnets], rows of width[0]
  const T* offset;         // [npairs][width[0]]
  const T* factors;        // [npairs][last width], or null
  const T* const* matrix;  // [nnets][nlayers - 1]
  const T* const* bias;    // likewise
  const T* const* step;    // likewise, or null
};

// Where gradients go, in the same places.
template <typename T>
struct EmbeddingGradients {
  T* const* scale;
  T* offset;
  T* factors;
  T* const* matrix;
  T* const* bias;
  T* const* step;
};

template <typename T>
struct FittingGradients {
  T* matrix[kMostHidden];
  T* bias[kMostHidden];
  T* step[kMostHidden];
  T* last_matrix;
  T* last_bias;
};

// F is the type of the environment matrix, the derivative and the energies, T that of the nets.
//
// With the embedding G [nnei][width] of the radial entries of an atom's normalized rows R
// [nnei][4], B = Rᵀ G / count, and the descriptor is D[i·axis + k] = Σ_c B[c][i] B[c][k].
template <typename F, typename T>
struct SmoothPotentialCall {
  int64_t nframes;
  int64_t nloc;
  int64_t nnei;
  int32_t ntypes;
  const F* matrix;       // [nframes][nloc][nnei][4]
  const F* rij;          // [nframes][nloc][nnei][3], Å; read for DEEPATTN_SWITCH_OF_DISTANCE
  const int32_t* nlist;  // [nframes][nloc][nnei], negative: an empty slot
  const int32_t* ntype;  // [nframes][nloc][nnei], read where there is a neighbor
  const int32_t* atype;  // [nframes][nloc], negative: a virtual atom
  const F* davg;         // [ntypes][nnei][4], the same for all slots
  const F* dstd;
  const F* keep;            // [ntypes][ntypes + 1], 0: excluded pairs; or null
  int excluded_is_average;  // as in PotentialCall
  // Empty slots are in blocks, whose types they have; those of a block are alike.
  int64_t nblocks;
  const int32_t* block_size;
  const int32_t* block_type;
  int keeps_empty;  // whether `keep` says nothing about empty slots
  int sees_center;  // pairs are numbered center · (ntypes + 1) + neighbor, else by neighbor
  int switch_kind;
  const F* switch_range;

  EmbeddingNets<T> embedding;
  T count;
  int64_t axis;
  int64_t nnets;  // 1, or one for each type of center
  const FittingNet<T>* nets;
  const T* type_offset;  // as in PotentialCall
  const T* frame_offset;
  const T* atom_offset;
  const F* type_energy;  // [ntypes], added to the energies
};

template <typename F, typename T>
struct SmoothPotentialResult {
  F* atom_energy;  // [nframes][nloc], 0 for virtual atoms; null for the descriptors alone
  F* derivative;   // of the sum of all, [nframes][nloc][nnei][4]; 0 in empty slots
  T* descriptor;   // D, [nframes][nloc][width · axis], 0 for virtual atoms; or null
};

template <typename F, typename T>
struct SmoothPotentialGradients {
  const F* grad_energy;      // cotangents of the results
  const F* grad_derivative;  // read where there is a neighbor
  EmbeddingGradients<T> embedding;
  const FittingGradients<T>* nets;
  T* type_offset;
  T* frame_offset;
  T* atom_offset;
  F* type_energy;
};

}  // namespace deepattn

extern "C" {

#define DEEPATTN_DECLARE_SMOOTH_POTENTIAL(F, T, suffix)                                           \
  void deepattn_smooth_potential_##suffix(const deepattn::SmoothPotentialCall<F, T>* call,        \
                                          const deepattn::SmoothPotentialResult<F, T>* result,    \
                                          const deepattn_threads* threads,                        \
                                          deepattn_status* status);                               \
  void deepattn_smooth_potential_grad_##suffix(                                                   \
      const deepattn::SmoothPotentialCall<F, T>* call,                                            \
      const deepattn::SmoothPotentialGradients<F, T>* gradients, const deepattn_threads* threads, \
      deepattn_status* status);

// All in float32, all in float64, and nets in float32 alone.
DEEPATTN_DECLARE_SMOOTH_POTENTIAL(float, float, f32)
DEEPATTN_DECLARE_SMOOTH_POTENTIAL(double, double, f64)
DEEPATTN_DECLARE_SMOOTH_POTENTIAL(double, float, mixed)
#undef DEEPATTN_DECLARE_SMOOTH_POTENTIAL

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_H_
