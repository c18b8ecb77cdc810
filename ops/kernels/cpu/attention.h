// Gated self-attention over the neighbours of an atom (arXiv:2208.08236, eqs. 9-13), its gradient,
// and the gradient of that gradient, one neighbourhood at a time.
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
  int32_t mask;   // a neighbour is barred from attending to itself
  int32_t smooth;
} deepattn_attention_shape;

// Arrays are of T. embedding [natoms][nnei][width], direction [natoms][nnei][3], weight
// [natoms][nnei]; from slot count[i] on the weight of atom i is taken to be 0. `padding` further
// weightless slots per atom are counted though not stored. Matrices are [inputs][outputs].
//
// A pass of order 0 computes the output and what is kept for the others; one of order 1 from
// grad = ∂L/∂output the other gradients of L; one of order 2 the gradients of those gradients'
// scalar product with bar_embedding, bar_direction and bar_weight: with respect to grad, and to
// everything that they are the gradient of. Where a pass neither reads nor writes it is null.
#define DEEPATTN_DECLARE_ATTENTION(T, suffix)                                                      \
  typedef struct {                                                                                 \
    const T* query_matrix; /* [width][attn], as those of key and value */                          \
    const T* query_bias;                                                                           \
    const T* key_matrix;                                                                           \
    const T* key_bias;                                                                             \
    const T* value_matrix;                                                                         \
    const T* value_bias;                                                                           \
    const T* out_matrix; /* [attn][width] */                                                       \
    const T* out_bias;                                                                             \
    const T* gamma;                                                                                \
    const T* beta;                                                                                 \
  } deepattn_attention_parameters_##suffix;                                                        \
  typedef struct { /* what `deepattn_attention_parameters` points to, to be written */             \
    T* query_matrix;                                                                               \
    T* query_bias;                                                                                 \
    T* key_matrix;                                                                                 \
    T* key_bias;                                                                                   \
    T* value_matrix;                                                                               \
    T* value_bias;                                                                                 \
    T* out_matrix;                                                                                 \
    T* out_bias;                                                                                   \
    T* gamma;                                                                                      \
    T* beta;                                                                                       \
  } deepattn_attention_sums_##suffix;                                                              \
  typedef struct {                                                                                 \
    deepattn_attention_shape shape;                                                                \
    const T* embedding;                                                                            \
    const T* direction;                                                                            \
    const T* weight;                                                                               \
    const int32_t* count; /* [natoms] */                                                           \
    T padding;                                                                                     \
    T ln_eps;                                                                                      \
    deepattn_attention_parameters_##suffix parameters;                                             \
    T* kept; /* aligned to 64 bytes: written by order 0, read by the others */                     \
    const T* grad;                                                                                 \
    const T* bar_embedding;                                                                        \
    const T* bar_direction;                                                                        \
    const T* bar_weight;                                                                           \
    T* out; /* the output, or the gradient by `grad` */                                            \
    T* out_embedding;                                                                              \
    T* out_direction;                                                                              \
    T* out_weight;                                                                                 \
    const deepattn_attention_sums_##suffix* sums; /* in order 1 null where nobody asks for them */ \
  } deepattn_attention_call_##suffix;                                                              \
  /* How many numbers are kept, from shape and counts alone; counts that no slots fit are          \
     reported by the passes. */                                                                    \
  int64_t deepattn_attention_kept_##suffix(const deepattn_attention_call_##suffix* call);          \
  void deepattn_attention_##suffix(const deepattn_attention_call_##suffix* call, int order,        \
                                   const deepattn_threads* threads, deepattn_status* status);      \
  /* c [m][n] = a [m][k] b [k][n] on the calling thread: the rate that the kernels are held to. */ \
  void deepattn_attention_gemm_##suffix(int64_t m, int64_t n, int64_t k, const T* a, const T* b,   \
                                        T* c, deepattn_status* status);

DEEPATTN_DECLARE_ATTENTION(float, f32)
DEEPATTN_DECLARE_ATTENTION(double, f64)
#undef DEEPATTN_DECLARE_ATTENTION

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_H_
