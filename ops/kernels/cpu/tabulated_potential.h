// The potential of a compressed model without attention in one pass over the atoms: neighbors,
// tables, descriptor, fitting net, and back through all of them to forces and virials.
//
// A block of atoms stays in the cache from its neighbors to its forces. Of the size of all pairs
// nothing is stored.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_H_

#include "kernels/common/runtime.h"
#include "kernels/common/tabulated_potential.h"
#include "kernels/cpu/env_mat.h"

namespace deepattn {

// The net as the passes want it, for one instruction set.
struct PackedFittingNet;

template <typename F, typename T>
struct TabulatedPotentialCall : PotentialCall<F, T> {
  deepattn_neighbor_source source;
  const PackedFittingNet* const* nets;  // [nnets]
};

}  // namespace deepattn

extern "C" {

// Null, with a status, if there is no memory. `axis`: of the call. The weights must stay where they
// are.
deepattn::PackedFittingNet* deepattn_pack_fitting_net_f32(const deepattn::FittingNet<float>* net,
                                                          int64_t axis, deepattn_status* status);
deepattn::PackedFittingNet* deepattn_pack_fitting_net_f64(const deepattn::FittingNet<double>* net,
                                                          int64_t axis, deepattn_status* status);
void deepattn_free_fitting_net(deepattn::PackedFittingNet* net);
// Whether a net was packed for the instruction set that is in use now.
int deepattn_is_fitting_net_current(const deepattn::PackedFittingNet* net);

// Of coordinates and nets in float32, in float64, and of coordinates in float64 alone.
void deepattn_tabulated_potential_f32(const deepattn::TabulatedPotentialCall<float, float>* call,
                                      const deepattn_threads* threads, deepattn_status* status);
void deepattn_tabulated_potential_f64(const deepattn::TabulatedPotentialCall<double, double>* call,
                                      const deepattn_threads* threads, deepattn_status* status);
void deepattn_tabulated_potential_mixed(const deepattn::TabulatedPotentialCall<double, float>* call,
                                        const deepattn_threads* threads, deepattn_status* status);

}  // extern "C"

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_H_
