// Gated self-attention over the neighbors of an atom (arXiv:2208.08236, eqs. 9-13), its gradient,
// and the gradient of that gradient, one neighborhood at a time.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_H_

#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int64_t natoms;
  int64_t nnei;   // slots per atom
  int64_t width;  // of the pair embedding
  int64_t attn;   // of queries, keys and values
  int32_t dotr;   // angles gate the attention
  int32_t mask;   // a neighbor is barred from attending to itself
  int32_t smooth;
} deepattn_attention_shape;

// Arrays are of T. embedding [natoms][nnei][width], direction [natoms][nnei][3], weight
// [natoms][nnei]; from slot count[i] on the weight of atom i is taken to be 0. `padding` further
// weightless slots per atom are counted though not stored. Matrices are [inputs][outputs].
//
// The passes, one after the other: the output and what is kept for the others; from
// grad = ∂L/∂output the other gradients of L; the output's tangent along bar_embedding,
// bar_direction and bar_weight; and the gradients of the scalar product of these three with the
// gradients of L, plus that of bar_output with the output, by all that the output depends on. (By
// `grad` the gradient is the tangent.) What a pass neither reads nor writes is null.
enum {
  DEEPATTN_ATTENTION_FORWARD,
  DEEPATTN_ATTENTION_GRADIENT,
  DEEPATTN_ATTENTION_TANGENT,
  DEEPATTN_ATTENTION_REVERSE,
  DEEPATTN_ATTENTION_PASSES
};

#define DEEPATTN_DECLARE_ATTENTION(T, suffix)                                                    \
  typedef struct {                                                                               \
    const T* query_matrix; /* [width][attn], as those of key and value */                        \
    const T* query_bias;                                                                         \
    const T* key_matrix;                                                                         \
    const T* key_bias;                                                                           \
    const T* value_matrix;                                                                       \
    const T* value_bias;                                                                         \
    const T* out_matrix; /* [attn][width] */                                                     \
    const T* out_bias;                                                                           \
    const T* gamma;                                                                              \
    const T* beta;                                                                               \
  } deepattn_attention_parameters_##suffix;                                                      \
  typedef struct { /* what `deepattn_attention_parameters` points to, to be written */           \
    T* query_matrix;                                                                             \
    T* query_bias;                                                                               \
    T* key_matrix;                                                                               \
    T* key_bias;                                                                                 \
    T* value_matrix;                                                                             \
    T* value_bias;                                                                               \
    T* out_matrix;                                                                               \
    T* out_bias;                                                                                 \
    T* gamma;                                                                                    \
    T* beta;                                                                                     \
  } deepattn_attention_sums_##suffix;                                                            \
  typedef struct {                                                                               \
    deepattn_attention_shape shape;                                                              \
    const T* embedding;                                                                          \
    const T* direction;                                                                          \
    const T* weight;                                                                             \
    const int32_t* count; /* [natoms] */                                                         \
    T padding;                                                                                   \
    T ln_eps;                                                                                    \
    deepattn_attention_parameters_##suffix parameters;                                           \
    T* kept;  /* aligned to 64 bytes: written by the forward pass, read by the others */         \
    T* state; /* aligned too: written by the tangent pass, read by the reverse one */            \
    const T* grad;                                                                               \
    const T* bar_embedding;                                                                      \
    const T* bar_direction;                                                                      \
    const T* bar_weight;                                                                         \
    const T* bar_output;                                                                         \
    T* out; /* the output, or its tangent */                                                     \
    T* out_embedding;                                                                            \
    T* out_direction;                                                                            \
    T* out_weight;                                                                               \
    const deepattn_attention_sums_##suffix* sums; /* null in a gradient pass without */          \
  } deepattn_attention_call_##suffix;                                                            \
  /* How many numbers `kept` and `state` have, from shape and counts alone; counts that no slots \
     fit are reported by the passes. */                                                          \
  int64_t deepattn_attention_kept_##suffix(const deepattn_attention_call_##suffix* call);        \
  int64_t deepattn_attention_state_##suffix(const deepattn_attention_call_##suffix* call);       \
  void deepattn_attention_##suffix(const deepattn_attention_call_##suffix* call, int pass,       \
                                   const deepattn_threads* threads, deepattn_status* status);

DEEPATTN_DECLARE_ATTENTION(float, f32)
DEEPATTN_DECLARE_ATTENTION(double, f64)
#undef DEEPATTN_DECLARE_ATTENTION

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_H_
