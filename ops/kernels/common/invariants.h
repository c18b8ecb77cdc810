// Rotation invariants of rows B of each atom, products of their columns with the first ones: what
// the passes take and give.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_INVARIANTS_H_
#define DEEPATTN_OPS_KERNELS_COMMON_INVARIANTS_H_

#include <stdint.h>

typedef struct {
  int64_t natoms;
  int64_t columns;  // c
  int64_t width;    // m
  int64_t axis;     // a, at most m
  int axis_first;   // the order of invariants: [axis][width], else [width][axis]
} deepattn_invariants_shape;

namespace deepattn {

// D_am = Σ_c B_ca B_cm is quadratic, so its derivatives of all orders are made of three functions:
//
//   kInvariants         output = D(B)
//   kInvariantsTangent  output = the tangent of D along `tangent` B', Σ_c B'_ca B_cm + B_ca B'_cm
//   kInvariantsGrad     output = ∂L/∂B from grad = ∂L/∂D
enum InvariantsPass { kInvariants, kInvariantsTangent, kInvariantsGrad, kInvariantsPasses };

// What a pass does not read is null.
template <typename T>
struct InvariantsCall {
  deepattn_invariants_shape shape;
  const T* rows;     // B, [natoms][columns][width]
  const T* tangent;  // likewise
  const T* grad;     // [natoms][axis · width]
  T* output;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_INVARIANTS_H_
