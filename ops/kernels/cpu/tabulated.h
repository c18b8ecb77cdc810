// The embedding of compressed models: functions of one number, as tables of polynomials of degree
// five, and their contraction with the environment matrix; and the gradient of either.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_H_

#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int64_t natoms;
  int64_t nnei;
  int64_t width;     // of the embedding
  int64_t stride;    // distance of rows of coefficients and of factors; whole vectors, see below
  int64_t ntables;   // 1, or one for each index
  int64_t nrows;     // intervals of a table
  int64_t nfactors;  // rows of factors; 0: no factors
  int contracted;    // whether there is a matrix
  int stock;         // tables are [nrows][width][6], as DeePMD-kit has them, not [nrows][6][stride]
  int is_sorted;     // the slots behind the first that looks like the last one are like it
} deepattn_tabulated_shape;

// Of slot p with the number x = rows[p] and the index i, the embedding is
//   G[k] = P[k](x) · (1 + weight[p] · factors[i][k]).
// P is the polynomial of the interval of width range[3] from range[0] to range[1], or of width
// range[4] from there to range[2], that has x; beyond the ends it goes on straight. The output is
// G, or Σ over an atom's slots of matrix[p][c] · G[k] if it is contracted.
//
// A pass of order 0 computes the output, one of order 1 from grad = ∂L/∂output the other gradients
// of L. Pointers that a pass does not use are null, and so may be out_weight and out_factors.
// Sorted slots, of which the padding behind the first stands for all, need a matrix and no weights.
//
// Unless the tables are stock, `stride` is a multiple of DEEPATTN_TABULATED_STRIDE, and what lies
// between width and stride is zero. In stock tables it is `width`.
#define DEEPATTN_TABULATED_STRIDE 16
#define DEEPATTN_DECLARE_TABULATED(T, suffix)                                               \
  typedef struct {                                                                          \
    deepattn_tabulated_shape shape;                                                         \
    const T* table;                                                                         \
    const T* range;       /* lower, upper, max, widths of intervals */                      \
    const T* rows;        /* [natoms][nnei] */                                              \
    const T* matrix;      /* [natoms][nnei][4] */                                           \
    const T* weight;      /* [natoms][nnei] or null: 1 */                                   \
    const int32_t* index; /* [natoms][nnei] or null: the number of the slot */              \
    const T* factors;     /* [nfactors][stride] */                                          \
    const T* grad;                                                                          \
    T* out; /* [natoms][4][width] or [natoms][nnei][width] */                               \
    T* out_rows;                                                                            \
    T* out_matrix;                                                                          \
    T* out_weight;                                                                          \
    T* out_factors; /* where the index is null */                                           \
  } deepattn_tabulated_call_##suffix;                                                       \
  void deepattn_tabulated_##suffix(const deepattn_tabulated_call_##suffix* call, int order, \
                                   const deepattn_threads* threads, deepattn_status* status);

DEEPATTN_DECLARE_TABULATED(float, f32)
DEEPATTN_DECLARE_TABULATED(double, f64)
#undef DEEPATTN_DECLARE_TABULATED

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_H_
