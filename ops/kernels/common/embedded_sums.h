// Sums over the neighbors of atoms, or over pairs of them, of an embedding net of numbers of
// theirs, as DPA-2 makes its first features (arXiv:2312.15492): what their passes take and give.
// passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_EMBEDDED_SUMS_H_
#define DEEPATTN_OPS_KERNELS_COMMON_EMBEDDED_SUMS_H_

#include "pair_embedding.h"

typedef struct {
  int64_t natoms;
  int64_t nnei;     // slots per atom
  int64_t columns;  // of the rows, at most kMostRowColumns; 3 of sums over angles
  int64_t kinds;    // of neighbors, for sums over angles
  deepattn_pair_embedding_shape net;
} deepattn_embedded_sums_shape;

namespace deepattn {

constexpr int64_t kMostRowColumns = 4;

// Of the rows R of an atom's slots, and of E, the pair embedding (pair_embedding.h), the
// contraction is
//
//   output = Σ_k times_k R_k ⊗ E(R_k0),
//
// [columns][width], with the weight w_k and the index index_k. The sum over angles, with c_kl = R_k
// · R_l, is
//
//   output = Σ_kl times_k times_l c_kl E(c_kl),
//
// [width], both orders of two slots, and a slot with itself, included; a pair has the weight w_k
// w_l and the index `index_k kinds + index_l`: kinds² factors or offsets.
//
// Slots whose row is 0 are left out: gradients by what belongs to them are 0.
//
// The passes are kForward, kBackward and kDoubleBackward. What a pass neither reads nor writes is
// null.
template <typename T>
struct EmbeddedSumsCall {
  deepattn_embedded_sums_shape shape;
  const T* rows;         // R, [natoms][nnei][columns]
  const T* weight;       // w, [natoms][nnei]; only with factors
  const int32_t* index;  // [natoms][nnei]
  const T* times;        // [nnei]
  EmbeddingParameters<const T> parameters;
  const T* grad_output;
  const T* grad_grad_rows;
  const T* grad_grad_weight;
  T* output;  // of each atom
  T* grad_grad_output;
  T* grad_rows;  // in the double backward ∂M/∂rows, and so the next
  T* grad_weight;
  const EmbeddingParameters<T>* grad_parameters;  // null in a backward pass without
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_EMBEDDED_SUMS_H_
