// Attention between the neighbors of an atom in the repformer of DPA-2 (arXiv:2312.15492), one
// neighborhood at a time: what its passes take and give. passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_PAIR_ATTENTION_H_
#define DEEPATTN_OPS_KERNELS_COMMON_PAIR_ATTENTION_H_

#include <stdint.h>

#include "passes.h"

typedef struct {
  int64_t natoms;
  int64_t nnei;   // slots per atom
  int64_t width;  // of the features of pairs
  int64_t heads;
  int32_t gate;  // angles scale the scores too
  int32_t smooth;
} deepattn_pair_attention_shape;

namespace deepattn {

// Real is T, of gradients by the parameters, or const T.
template <typename Real>
struct PairAttentionParameters {
  Real* score;    // [heads][width][width]: queries times keys, transposed
  Real* message;  // [heads][width][width]: values times the output matrix
};

// With the features x of an atom's neighbors, one row each, their vectors h and weights c,
//
//   y = Σ_head B (x M),   B = softmax(L) · c c' · d,   d = h · h',
//   S = (x Q) x^T, times d if there is a gate,
//   L = (S + 20) c c' − 20 if smooth, else S, where c' is not 0,
//
// Q and M being a head's parameters (no mark: row, mark: column). Slots behind the last one whose
// weight is not 0 are taken to have the weight 0, and `padding` further ones are counted though not
// stored; gradients by what belongs to them are 0.
//
// The passes are kForward, kBackward and kDoubleBackward. What a pass neither reads nor writes is
// null.
template <typename T>
struct PairAttentionCall {
  deepattn_pair_attention_shape shape;
  const T* features;  // [natoms][nnei][width]
  const T* vectors;   // [natoms][nnei][3]
  const T* weight;    // [natoms][nnei]
  T padding;
  PairAttentionParameters<const T> parameters;
  const T* grad_output;
  const T* grad_grad_features;
  const T* grad_grad_vectors;
  const T* grad_grad_weight;
  T* output;  // as the features
  T* grad_grad_output;
  T* grad_features;  // in the double backward ∂M/∂features, and so the next
  T* grad_vectors;
  T* grad_weight;
  const PairAttentionParameters<T>* grad_parameters;  // null in a backward pass without
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_PAIR_ATTENTION_H_
