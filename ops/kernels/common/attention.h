// Gated self-attention over the neighbors of an atom (arXiv:2208.08236, eqs. 9-13), one
// neighborhood at a time: what its passes take and give. passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_ATTENTION_H_
#define DEEPATTN_OPS_KERNELS_COMMON_ATTENTION_H_

#include <stdint.h>

#include "passes.h"

typedef struct {
  int64_t natoms;
  int64_t nnei;   // slots per atom
  int64_t width;  // of the pair embedding
  int64_t attn;   // of queries, keys and values
  int32_t dotr;   // angles gate the attention
  int32_t mask;   // a neighbor is barred from attending to itself
  int32_t smooth;
} deepattn_attention_shape;

namespace deepattn {

// How far scores lie above those of neighbors without weight, K in scores.h.
constexpr double kSmoothDepth = 20;
constexpr double kMaskDepth = 8589934592.0;  // 2^33
// The least square of the length of queries, keys and values that is made 1.
constexpr double kNormFloor = 1e-12;

// Queries, keys and values, in this order.
enum Projection { kQuery, kKey, kValue, kProjections };

// Whether the forward pass saves all that the others need of it, and the tangent pass for the
// reverse one, or all is computed again: a quarter of the arithmetic of training for nearly four
// times the memory, which in float64 is worth more.
template <typename T>
constexpr bool kSavesAll = sizeof(T) == sizeof(float);

// Real is T, of gradients by the parameters, or const T. Matrices are [inputs][outputs].
template <typename Real>
struct AttentionParameters {
  Real* query_matrix;  // [width][attn], as those of key and value
  Real* query_bias;
  Real* key_matrix;
  Real* key_bias;
  Real* value_matrix;
  Real* value_bias;
  Real* out_matrix;  // [attn][width]
  Real* out_bias;
  Real* gamma;
  Real* beta;
};

// embedding [natoms][nnei][width], direction [natoms][nnei][3], weight [natoms][nnei]; from slot
// count[i] on the weight of atom i is taken to be 0. `padding` further weightless slots per atom
// are counted though not stored. What a pass neither reads nor writes is null. The passes are
// kForward, kBackward, kTangent and kReverse.
template <typename T>
struct AttentionCall {
  deepattn_attention_shape shape;
  const T* embedding;
  const T* direction;
  const T* weight;
  const int32_t* count;  // [natoms]
  T padding;
  T ln_eps;
  AttentionParameters<const T> parameters;
  T* saved;           // aligned to 64 bytes: written by the forward pass, read by the others
  T* saved_tangents;  // aligned too: written by the tangent pass, read by the reverse one
  const T* grad_output;
  const T* grad_grad_embedding;
  const T* grad_grad_direction;
  const T* grad_grad_weight;
  const T* outer_grad_output;
  T* output;
  T* grad_grad_output;
  T* grad_embedding;  // in the reverse pass ∂M/∂embedding, and so the next
  T* grad_direction;
  T* grad_weight;
  const AttentionParameters<T>* grad_parameters;  // null in a backward pass without
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_ATTENTION_H_
