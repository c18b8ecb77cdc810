// The pair embedding of DPA-1 (arXiv:2208.08236): a residual perceptron with tanh on every row of
// inputs, scaled by a factor of the row's pair of types; its gradient, and the gradient of that.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_H_

#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DEEPATTN_MOST_LAYERS 16

typedef struct {
  int64_t nrows;
  int64_t nlayers;
  int64_t width[DEEPATTN_MOST_LAYERS + 1];  // of the input and of each layer
  int64_t nfactors;                         // rows of the table of factors; 0: no factors
} deepattn_pair_embedding_shape;

// Layer k makes h = tanh(x W + b), times its time step if it has one, and adds x if h is as wide as
// x, or x twice side by side if h is twice as wide. Row r of the last layer is then multiplied with
// 1 + weight[r] · factors[index[r]]. Arrays are of T; matrices are [inputs][outputs].
//
// A pass of order 0 computes the output; one of order 1 from grad = ∂L/∂output the other gradients
// of L; one of order 2 the gradients of those gradients' scalar product with bar_input and
// bar_weight: with respect to grad, and to everything that they are the gradient of. Where a pass
// neither reads nor writes it is null.
#define DEEPATTN_DECLARE_PAIR_EMBEDDING(T, suffix)                                             \
  typedef struct {                                                                             \
    const T* matrix[DEEPATTN_MOST_LAYERS];                                                     \
    const T* bias[DEEPATTN_MOST_LAYERS];                                                       \
    const T* step[DEEPATTN_MOST_LAYERS]; /* null: no time step */                              \
    const T* factors;                    /* [nfactors][last width] */                          \
  } deepattn_pair_embedding_parameters_##suffix;                                               \
  typedef struct { /* where gradients by the parameters go */                                  \
    T* matrix[DEEPATTN_MOST_LAYERS];                                                           \
    T* bias[DEEPATTN_MOST_LAYERS];                                                             \
    T* step[DEEPATTN_MOST_LAYERS];                                                             \
    T* factors;                                                                                \
  } deepattn_pair_embedding_sums_##suffix;                                                     \
  typedef struct {                                                                             \
    deepattn_pair_embedding_shape shape;                                                       \
    const T* input;       /* [nrows][width[0]] */                                              \
    const T* weight;      /* [nrows] */                                                        \
    const int32_t* index; /* [nrows] */                                                        \
    deepattn_pair_embedding_parameters_##suffix parameters;                                    \
    const T* grad;                                                                             \
    const T* bar_input;                                                                        \
    const T* bar_weight;                                                                       \
    T* out; /* the output, or the gradient by `grad` */                                        \
    T* out_input;                                                                              \
    T* out_weight;                                                                             \
    const deepattn_pair_embedding_sums_##suffix* sums; /* in order 1 null where nobody asks */ \
  } deepattn_pair_embedding_call_##suffix;                                                     \
  void deepattn_pair_embedding_##suffix(const deepattn_pair_embedding_call_##suffix* call,     \
                                        int order, const deepattn_threads* threads,            \
                                        deepattn_status* status);

DEEPATTN_DECLARE_PAIR_EMBEDDING(float, f32)
DEEPATTN_DECLARE_PAIR_EMBEDDING(double, f64)
#undef DEEPATTN_DECLARE_PAIR_EMBEDDING

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_H_
