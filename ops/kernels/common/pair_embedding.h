// The pair embedding of DPA-1 (arXiv:2208.08236): a residual perceptron with tanh on every row of
// inputs, scaled by a factor of the row's pair of types: what its passes take and give. passes.h
// explains the names.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_PAIR_EMBEDDING_H_
#define DEEPATTN_OPS_KERNELS_COMMON_PAIR_EMBEDDING_H_

#include <stdint.h>

#include "passes.h"

namespace deepattn {

constexpr int kMostLayers = 16;

}  // namespace deepattn

typedef struct {
  int64_t nrows;
  int64_t nlayers;
  int64_t width[deepattn::kMostLayers + 1];  // of the input and of each layer
  int64_t nfactors;                          // rows of the table of factors; 0: no factors
  int64_t noffsets;  // rows of the first matrix behind those of the input; 0: no offsets
} deepattn_pair_embedding_shape;

namespace deepattn {

// Real is T, of gradients by the parameters, or const T. Matrices are [inputs][outputs].
template <typename Real>
struct EmbeddingParameters {
  Real* matrix[kMostLayers];
  Real* bias[kMostLayers];
  Real* step[kMostLayers];  // null: no time step
  Real* factors;            // [nfactors][last width]
};

// Layer k makes h = tanh(x W + b), times its time step if it has one, and adds x if h is as wide as
// x, or x twice side by side if h is twice as wide. Row r of the last layer is then multiplied with
// 1 + weight[r] · factors[index[r]].
//
// With offsets row r of the input stands for a longer one: the first matrix has further rows, one
// for each index, of which number index[r] is added to x W. There is no x to be added to its
// result.
//
// The passes are kForward, kBackward and kDoubleBackward. What a pass neither reads nor writes is
// null.
template <typename T>
struct EmbeddingCall {
  deepattn_pair_embedding_shape shape;
  const T* input;        // [nrows][width[0]]
  const T* weight;       // [nrows]
  const int32_t* index;  // [nrows]
  EmbeddingParameters<const T> parameters;
  const T* grad_output;
  const T* grad_grad_input;
  const T* grad_grad_weight;
  T* output;
  T* grad_grad_output;
  T* grad_input;  // in the double backward ∂M/∂input, and so the next
  T* grad_weight;
  const EmbeddingParameters<T>* grad_parameters;  // null in a backward pass without
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_PAIR_EMBEDDING_H_
