// What the steps of a potential have in common: arguments, and their pieces of the workspace.
//
// Centers are evaluated a few thousand at a time, those of a net together. Each then has a place,
// in the order of nets: between the steps its numbers lie there.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_ARGUMENTS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_ARGUMENTS_H_

#include <cmath>

#include "kernels/cuda/gather.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/tabulated_potential.h"

namespace deepattn {

template <typename F, typename T>
struct PotentialArguments {
  CudaPotentialCall<F, T> call;  // without what is on the host
  deepattn_pairs pairs;
  Numbers<T, 5> range;
  Numbers<F, 2> switch_range;

  // Of all centers.
  int32_t* nlist;  // [nframes][nloc][nnei]
  F* rij;          // […][3]; not numbers where a center is invalid
  PairLists<F> lists;
  double* own;  // [nframes][nloc][3], the force that its pairs leave on a center

  bool grouped;         // whether types have blocks of slots
  int64_t nblocks;      // of slots
  int64_t* first_slot;  // [nblocks + 1]
  FittingNet<T>* nets;  // [nnets]

  // Of the centers that are evaluated now.
  int64_t first;        // among those of all frames
  int64_t centers;      // how many
  int32_t* belongs;     // [nnets][centers]: 1 if the center is one of the net
  int64_t* places;      // [nnets * centers + 1]: the sums of those before
  int64_t* center_at;   // [centers]: of each place, among all centers
  int descriptor_size;  // distance of rows of the next
  T* descriptor;        // [centers][width · axis]: D, then the energy's derivative by it
  T* contracted;        // [centers][4][width]: B
  T* grad_contracted;   // the derivative by Rᵀ G

  DEEPATTN_DEVICE int64_t Width() const { return call.table_shape.width; }
  DEEPATTN_DEVICE int Input() const { return static_cast<int>(Width() * call.axis); }

  DEEPATTN_DEVICE Matrix<T> Descriptors(int64_t place) const {
    return {descriptor + place * descriptor_size, descriptor_size};
  }
  DEEPATTN_DEVICE T* Contracted(int64_t place) const {
    return contracted + place * kColumns * Width();
  }
  DEEPATTN_DEVICE T* GradContracted(int64_t place) const {
    return grad_contracted + place * kColumns * Width();
  }

  DEEPATTN_DEVICE int32_t TypeOf(int64_t center) const {
    const int64_t frame = center / call.atoms.nloc;
    return call.atype[frame * call.atoms.nall + center % call.atoms.nloc];
  }

  DEEPATTN_DEVICE bool IsValid(int64_t center) const {
    return !std::isnan(rij[3 * center * call.atoms.nnei]);
  }

  // The net of a center; -1: it is a virtual atom or invalid.
  DEEPATTN_DEVICE int64_t NetOf(int64_t center) const {
    const int32_t type = TypeOf(center);
    return type < 0 || !IsValid(center) ? -1 : call.nnets == 1 ? 0 : type;
  }

  // The place of center number n of those evaluated now, or -1.
  DEEPATTN_DEVICE int64_t PlaceOf(int64_t n) const {
    const int64_t net = NetOf(first + n);
    return net < 0 ? -1 : places[net * centers + n];
  }
};

// Which net each center belongs to, and the results of centers without a net. An item a center.
template <typename F, typename T>
struct SortCenters {
  PotentialArguments<F, T> of;

  DEEPATTN_DEVICE void operator()(int64_t n) const {
    const int64_t center = of.first + n, net = of.NetOf(center);
    for (int64_t k = 0; k < of.call.nnets; ++k) of.belongs[k * of.centers + n] = k == net;
    if (net >= 0) return;
    const F value = of.TypeOf(center) < 0 ? F(0) : static_cast<F>(NAN);
    of.call.atom_energy[center] = value;
    if (of.call.distance != nullptr) of.call.distance[center] = value;
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_ARGUMENTS_H_
