// The embedding of compressed models: functions of one number, as tables of polynomials of degree
// five, and their contraction with the environment matrix: what the passes of either take and give.
// passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_TABULATED_H_
#define DEEPATTN_OPS_KERNELS_COMMON_TABULATED_H_

#include <stdint.h>

#include "passes.h"

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

namespace deepattn {

constexpr int kColumns = 4;  // of the environment matrix

// Unless the tables are stock, `stride` is a multiple of this, and what lies between width and
// stride is zero. In stock tables it is `width`.
constexpr int kTableStride = 16;

// Of slot p with the number x = rows[p] and the index i, the embedding is
//   G[k] = P[k](x) · (1 + weight[p] · factors[i][k]).
// P is the polynomial of the interval of width range[3] from range[0] to range[1], or of width
// range[4] from there to range[2], that has x; beyond the ends it is extrapolated linearly. The
// output is G, or Σ over an atom's slots of matrix[p][c] · G[k] if it is contracted.
//
// The passes are kForward and kBackward. Pointers that a pass does not use are null, and so may be
// grad_weight and grad_factors.
// Sorted slots, of which the padding behind the first stands for all, need a matrix and no weights.
template <typename T>
struct TabulatedCall {
  deepattn_tabulated_shape shape;
  const T* table;
  const T* range;        // lower, upper, max, widths of intervals
  const T* rows;         // [natoms][nnei]
  const T* matrix;       // [natoms][nnei][4]
  const T* weight;       // [natoms][nnei] or null: 1
  const int32_t* index;  // [natoms][nnei] or null: the number of the slot
  const T* factors;      // [nfactors][stride]
  const T* grad_output;
  T* output;  // [natoms][4][width] or [natoms][nnei][width]
  T* grad_rows;
  T* grad_matrix;
  T* grad_weight;
  T* grad_factors;  // where the index is null
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_TABULATED_H_
