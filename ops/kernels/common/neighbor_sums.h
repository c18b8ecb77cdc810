// Weighted sums over the neighbors of atoms, as the repformer of DPA-2 makes them
// (arXiv:2312.15492): what their passes take and give. passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_NEIGHBOR_SUMS_H_
#define DEEPATTN_OPS_KERNELS_COMMON_NEIGHBOR_SUMS_H_

#include <stdint.h>

#include "passes.h"

typedef struct {
  int64_t natoms;
  int64_t nnei;      // slots per atom
  int64_t width;     // of the features
  int64_t nsources;  // rows of features
  int64_t columns;   // of the vectors, at most kMostVectorColumns
} deepattn_neighbor_sums_shape;

namespace deepattn {

constexpr int64_t kMostVectorColumns = 4;

// With the features f of an atom's slots, their factors F, vectors h and weights w,
//
//   convolution = Σ_k w_k f_k F_k (element by element),   moments = Σ_k w_k h_k ⊗ f_k.
//
// `index` says which row of the features a slot has; without (null) each has its own, in order.
// Without factors or vectors there is no convolution or no moments; there is one of them. Slots of
// weight 0 are left out: gradients by what belongs to them are 0.
//
// The passes are kForward, kBackward and kDoubleBackward. What a pass neither reads nor writes is
// null.
template <typename T>
struct NeighborSumsCall {
  deepattn_neighbor_sums_shape shape;
  const T* features;     // [nsources][width]
  const int32_t* index;  // [natoms][nnei]
  const T* weight;       // [natoms][nnei]
  const T* factors;      // [natoms][nnei][width]
  const T* vectors;      // [natoms][nnei][columns]
  const T* grad_convolution;
  const T* grad_moments;
  const T* grad_grad_features;
  const T* grad_grad_weight;
  const T* grad_grad_factors;
  const T* grad_grad_vectors;
  T* convolution;  // [natoms][width]
  T* moments;      // [natoms][columns][width]
  T* grad_grad_convolution;
  T* grad_grad_moments;
  T* grad_features;  // in the double backward ∂M/∂features, and so the next
  T* grad_weight;
  T* grad_factors;
  T* grad_vectors;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_NEIGHBOR_SUMS_H_
