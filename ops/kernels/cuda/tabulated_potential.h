// The potential of a compressed model without attention, as kernels/cpu/tabulated_potential.h has
// it, on a device.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_H_

#include "env_mat.h"
#include "kernels/common/tabulated_potential.h"

namespace deepattn {

// This structure, `sel`, `range`, `switch_range` and the array `nets` are in the host's memory, all
// other arrays in the device's.
template <typename F, typename T>
struct CudaPotentialCall : PotentialCall<F, T> {
  deepattn_cuda_neighbors source;
  const FittingNet<T>* nets;  // [nnets], as they are: nothing is packed
};

}  // namespace deepattn

extern "C" {

// The workspace depends on the device only through the number of its multiprocessors. `problem` may
// not be null. Where the atoms of a frame are invalid, its virial is not a number, and neither are
// energies and forces of its centers; where the list of one center is, its own and its neighbors'.
#define DEEPATTN_DECLARE_CUDA_POTENTIAL(F, T, suffix)                                \
  int64_t deepattn_cuda_tabulated_potential_workspace_##suffix(                      \
      const deepattn::CudaPotentialCall<F, T>* call);                                \
  void deepattn_cuda_tabulated_potential_##suffix(                                   \
      const deepattn::CudaPotentialCall<F, T>* call, deepattn_cuda_problem* problem, \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status);

// Of coordinates and nets in float32, in float64, and of coordinates in float64 alone.
DEEPATTN_DECLARE_CUDA_POTENTIAL(float, float, f32)
DEEPATTN_DECLARE_CUDA_POTENTIAL(double, double, f64)
DEEPATTN_DECLARE_CUDA_POTENTIAL(double, float, mixed)
#undef DEEPATTN_DECLARE_CUDA_POTENTIAL

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_H_
