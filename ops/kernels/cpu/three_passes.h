// What each instruction set offers to the driver of an op with a forward, a backward and a double
// backward pass. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_THREE_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_THREE_PASSES_H_

#include <stdint.h>

#include "kernels/common/passes.h"

namespace deepattn {

// A call with its parameters as the passes want them.
template <typename Call, typename T>
struct PackedCall : Call {
  const T* packed;
};

// Sizes are in elements; buffers are aligned to 64 bytes. A unit is an atom, or a block of rows.
template <typename T, typename Shape, typename Call, typename Parameters>
struct ThreePassKernels {
  int64_t (*packed_size)(const Shape* shape);
  void (*pack)(const Call* call, T* packed);
  int64_t (*scratch_size)(const Shape* shape, int pass);
  // Does one unit. Gradients by parameters are added to `sums` unless that is null.
  void (*pass[kDoubleBackward + 1])(const PackedCall<Call, T>* call, int64_t unit, T* scratch,
                                    T* sums);
  int64_t (*sums_size)(const Shape* shape);
  // Adds up `number` arrays of sums, in order, and writes the gradients out.
  void (*write_sums)(const Shape* shape, const T* sums, int64_t number, const Parameters* out);
};

}  // namespace deepattn

namespace {

// The passes of a unit, such as `Unit(call, unit, pass, scratch).Forward()`.
template <typename Unit, typename Call, typename T>
void ForwardPass(const Call* call, int64_t unit, T* scratch, T*) {
  Unit(*call, unit, deepattn::kForward, scratch).Forward();
}

template <typename Unit, typename Call, typename T>
void BackwardPass(const Call* call, int64_t unit, T* scratch, T* sums) {
  Unit(*call, unit, deepattn::kBackward, scratch).Backward(sums);
}

template <typename Unit, typename Call, typename T>
void DoubleBackwardPass(const Call* call, int64_t unit, T* scratch, T* sums) {
  Unit(*call, unit, deepattn::kDoubleBackward, scratch).DoubleBackward(sums);
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_THREE_PASSES_H_
