// Sums over pairs of an atom's neighbors of an embedding of their angle, as the three-body block of
// DPA-2 makes them (arXiv:2312.15492): what their passes take and give. passes.h explains the
// names.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_ANGLE_SUMS_H_
#define DEEPATTN_OPS_KERNELS_COMMON_ANGLE_SUMS_H_

#include "pair_embedding.h"

typedef struct {
  int64_t natoms;
  int64_t nnei;   // slots per atom
  int64_t kinds;  // of neighbors; the net has kinds² factors or offsets
  deepattn_pair_embedding_shape net;
} deepattn_angle_sums_shape;

namespace deepattn {

// With the rows R of an atom's slots and c_kl = R_k · R_l,
//
//   output = Σ_kl times_k times_l c_kl E(c_kl),
//
// both orders of two slots, and a slot with itself, included. E is the pair embedding of a row
// whose input is c_kl, its weight w_k w_l and its index ntype_k kinds + ntype_l. Slots whose row is
// 0 are left out: gradients by what belongs to them are 0.
//
// The passes are kForward, kBackward and kDoubleBackward. What a pass neither reads nor writes is
// null.
template <typename T>
struct AngleSumsCall {
  deepattn_angle_sums_shape shape;
  const T* rows;        // R, [natoms][nnei][3]
  const T* weight;      // w, [natoms][nnei]; only with factors
  const int32_t* kind;  // ntype, [natoms][nnei]
  const T* times;       // [nnei]
  EmbeddingParameters<const T> parameters;
  const T* grad_output;  // [natoms][width]
  const T* grad_grad_rows;
  const T* grad_grad_weight;
  T* output;
  T* grad_grad_output;
  T* grad_rows;  // in the double backward ∂M/∂rows, and so the next
  T* grad_weight;
  const EmbeddingParameters<T>* grad_parameters;  // null in a backward pass without
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_ANGLE_SUMS_H_
