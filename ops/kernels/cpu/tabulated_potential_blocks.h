// Blocks of centers of a tabulated potential, and nets as their kernels want them.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_BLOCKS_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_BLOCKS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "factor_switch.h"
#include "instruction_set.h"
#include "kernels/common/smooth_row.h"
#include "neighbor_selection.h"
#include "scratch.h"
#include "tabulated_potential.h"
#include "tabulated_potential/kernels.h"

namespace deepattn {

struct PackedFittingNet {
  InstructionSet instruction_set;
  // Of one of the precisions.
  FittingNet<float> f32;
  FittingNet<double> f64;
  ScratchBlock packed;
};

constexpr const PotentialTable* kPotentialTables[kInstructionSets] = {
    &kPotentialGeneric,
#if defined(__x86_64__)
    &kPotentialAvx2,
    &kPotentialAvx512,
#endif
};

template <typename T>
const FittingNet<T>& NetOf(const PackedFittingNet& net) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return net.f32;
  } else {
    return net.f64;
  }
}

// Sums over pairs that land on atoms, of a part of the centers; in float64 always.
struct Sums {
  double* force;   // [nall][3]
  double* virial;  // [nall][9]
};

constexpr int64_t kSumsWidth = 12;

// The centers of a frame are summed in this many parts. It follows from the frame alone, so the
// result does not depend on the threads.
inline int64_t CountPotentialParts(int64_t nloc) {
  constexpr int64_t kMostParts = 16;
  return std::clamp<int64_t>((nloc + kBlockAtoms - 1) / kBlockAtoms, 1, kMostParts);
}

// Does blocks of centers one after the other; holds the scratch memory.
template <typename F, typename T>
class BlockWorker {
 public:
  // `distance_basis`: packed, or null if no distances are wanted.
  BlockWorker(const TabulatedPotentialCall<F, T>& call, const DistanceBasis<T>* distance_basis,
              const NeighborSearch<F>& search, FirstError* error)
      : call_(call),
        distance_basis_(distance_basis),
        selection_(search, error),
        first_(kBlockAtoms + 1),
        neighbors_(kBlockAtoms),
        offset_(3 * kBlockAtoms),
        energy_(kBlockAtoms),
        square_(kBlockAtoms),
        type_(kBlockAtoms),
        center_(kBlockAtoms),
        inverse_std_(kColumns * call.atoms.ntypes) {
    for (int32_t type = 0; type < call.atoms.ntypes; ++type) {
      for (int c = 0; c < kColumns; ++c) {
        inverse_std_[kColumns * type + c] = F(1) / call.dstd[kColumns * call.atoms.nnei * type + c];
      }
    }
  }

  // The centers [begin, end) of a frame; returns false if an error has been reported.
  bool Run(int64_t frame, int64_t begin, int64_t end, const Sums& sums) {
    const int32_t* atype = call_.atype + frame * call_.atoms.nall;
    for (int64_t center = begin; center < end; ++center) {
      if (atype[center] >= 0) continue;
      call_.atom_energy[frame * call_.atoms.nloc + center] = 0;
      if (distance_basis_ != nullptr) call_.distance[frame * call_.atoms.nloc + center] = 0;
    }
    for (int64_t net = 0; net < call_.nnets; ++net) {
      const auto belongs = [&](int32_t type) {
        return type >= 0 && (call_.nnets == 1 || type == net);
      };
      net_ = call_.nets[net];
      int64_t center = begin;
      while (center < end) {
        Clear();
        for (; center < end && natoms_ < kBlockAtoms; ++center) {
          if (belongs(atype[center]) && !AddCenter(frame, center)) return false;
        }
        if (natoms_ > 0) EvaluateBlock(frame, sums);
      }
    }
    return true;
  }

 private:
  // What of a pair is needed again for the forces.
  struct Pair {
    F d[3];
    SmoothFactors<F> factors;
    F slope;  // of the weight by the first of the row
    int32_t atom;
    bool kept;
  };

  void Clear() {
    natoms_ = most_slots_ = 0;
    pairs_.clear();
    slots_.clear();
    first_[0] = 0;
  }

  void EvaluateBlock(int64_t frame, const Sums& sums) {
    const PotentialKernels<T>& kernels = KernelsFor<T>(net_->instruction_set, kPotentialTables);
    const PotentialBlock<T> block = Block();
    const int64_t size = kernels.scratch_size(&block, most_slots_);
    if (size > scratch_size_) {
      scratch_ = std::make_unique<ScratchArray<T>>(size);
      scratch_size_ = size;
    }
    kernels.evaluate(&block, scratch_->get());
    for (int64_t a = 0; a < natoms_; ++a) AddForces(frame, a, sums);
  }

  bool AddCenter(int64_t frame, int64_t center) {
    const deepattn_env_mat_shape& shape = call_.atoms;
    const int64_t unit = frame * shape.nloc + center;
    const int32_t* atype = call_.atype + frame * shape.nall;
    const int32_t type = atype[center];
    if (!selection_.FindNearest(unit)) return false;
    const F* davg = call_.davg + 4 * shape.nnei * type;
    const F* inverse_std = InverseStd(type);
    const int64_t first = slots_.size();
    for (const Neighbor<F>& neighbor : selection_.found()) {
      AddPair(neighbor, type, atype[neighbor.atom], davg, inverse_std);
    }
    neighbors_[natoms_] = slots_.size() - first;
    const int32_t nblocks = shape.sel == nullptr ? 1 : shape.ntypes;
    for (int32_t block = 0; block < nblocks; ++block) {
      const int32_t slot_type = shape.sel == nullptr ? shape.ntypes : block;
      const int64_t empty = selection_.CountEmpty(block);
      if (empty > 0 && IsKept(type, slot_type)) AddEmpty(empty, type, slot_type, davg, inverse_std);
    }
    first_[natoms_ + 1] = slots_.size();
    most_slots_ = std::max<int64_t>(most_slots_, slots_.size() - first);
    center_[natoms_] = center;
    type_[natoms_] = type;
    const int64_t width = NetOf<T>(*net_).width[0];
    const T** offset = &offset_[3 * natoms_];
    offset[0] = call_.type_offset + type * width;
    offset[1] = call_.frame_offset == nullptr ? nullptr : call_.frame_offset + frame * width;
    offset[2] = call_.atom_offset == nullptr ? nullptr : call_.atom_offset + unit * width;
    ++natoms_;
    return true;
  }

  bool IsKept(int32_t center, int32_t neighbor) const {
    return call_.keep == nullptr || call_.keep[center * (call_.atoms.ntypes + 1) + neighbor] != 0;
  }

  int32_t PairNumber(int32_t center, int32_t neighbor) const {
    return call_.sees_center ? center * (call_.atoms.ntypes + 1) + neighbor : neighbor;
  }

  void AddPair(const Neighbor<F>& neighbor, int32_t center, int32_t type, const F* davg,
               const F* inverse_std) {
    const F* d = neighbor.d;
    Pair pair = {{d[0], d[1], d[2]},
                 SmoothFactorsOf(call_.atoms.rcut, call_.atoms.rcut_smth, d),
                 0,
                 neighbor.atom,
                 IsKept(center, type)};
    F weight;
    FactorSwitch(call_.switch_kind, call_.switch_range, pair.factors.row[0], d, &weight,
                 &pair.slope);
    PotentialSlot<T> slot;
    for (int c = 0; c < kColumns; ++c) {
      F element = (pair.factors.row[c] - davg[c]) * inverse_std[c];
      if (!pair.kept) element = call_.excluded_is_average ? davg[0] : F(0);
      slot.row[c] = static_cast<T>(element);
    }
    slot.radial = slot.row[0];
    slot.weight = static_cast<T>(pair.kept ? weight : F(0));
    slot.pair = PairNumber(center, type);
    slots_.push_back(slot);
    pairs_.push_back(pair);
  }

  // One slot that stands for all of a block without a neighbor, unless it is zero.
  void AddEmpty(int64_t number, int32_t center, int32_t type, const F* davg, const F* inverse_std) {
    PotentialSlot<T> slot;
    bool zero = true;
    for (int c = 0; c < kColumns; ++c) {
      const T element = static_cast<T>(-davg[c] * inverse_std[c]);
      if (c == 0) slot.radial = element;
      slot.row[c] = static_cast<T>(number) * element;
      zero = zero && element == 0;
    }
    if (zero) return;
    slot.weight = call_.switch_kind == DEEPATTN_NO_SWITCH ? T(1) : T(0);
    slot.pair = PairNumber(center, type);
    slots_.push_back(slot);
    pairs_.push_back({});
  }

  PotentialBlock<T> Block() {
    gradient_.resize(slots_.size());
    T* square = distance_basis_ == nullptr ? nullptr : square_.data();
    return {call_.table_shape, call_.table,    call_.range,
            call_.factors,     call_.count,    call_.axis,
            &NetOf<T>(*net_),  Packed(),       distance_basis_,
            natoms_,           first_.data(),  neighbors_.data(),
            slots_.data(),     offset_.data(), energy_.data(),
            type_.data(),      square,         gradient_.data()};
  }

  const F* InverseStd(int32_t type) const { return &inverse_std_[kColumns * type]; }

  const T* Packed() const { return static_cast<const T*>(net_->packed.data()); }

  void AddForces(int64_t frame, int64_t a, const Sums& sums) {
    const deepattn_env_mat_shape& shape = call_.atoms;
    const int64_t center = center_[a];
    const int32_t type = call_.atype[frame * shape.nall + center];
    const F* inverse_std = InverseStd(type);
    call_.atom_energy[frame * shape.nloc + center] = static_cast<F>(energy_[a]);
    if (distance_basis_ != nullptr) {
      call_.distance[frame * shape.nloc + center] = std::sqrt(static_cast<F>(square_[a]));
    }
    double own[3] = {0, 0, 0};
    for (int64_t j = first_[a]; j < first_[a] + neighbors_[a]; ++j) {
      const Pair& pair = pairs_[j];
      if (!pair.kept) continue;
      F by_row[kColumns], t[3];
      for (int c = 0; c < kColumns; ++c) {
        by_row[c] = static_cast<F>(gradient_[j].row[c]) * inverse_std[c];
      }
      by_row[0] += pair.slope * static_cast<F>(gradient_[j].weight);
      ThroughRow(pair.factors, pair.d, by_row, t);
      double* force = sums.force + 3 * static_cast<int64_t>(pair.atom);
      double* virial = sums.virial + 9 * static_cast<int64_t>(pair.atom);
      for (int k = 0; k < 3; ++k) {
        own[k] += t[k];
        force[k] += t[k];
        for (int l = 0; l < 3; ++l) virial[3 * k + l] += t[k] * pair.d[l];
      }
    }
    for (int k = 0; k < 3; ++k) sums.force[3 * center + k] -= own[k];
  }

  const TabulatedPotentialCall<F, T>& call_;
  const DistanceBasis<T>* const distance_basis_;
  NeighborSelection<F> selection_;
  // Of the block at work.
  const PackedFittingNet* net_ = nullptr;
  int64_t natoms_ = 0;
  int64_t most_slots_ = 0;
  std::vector<int64_t> first_;
  std::vector<int64_t> neighbors_;
  std::vector<const T*> offset_;
  std::vector<T> energy_;
  std::vector<T> square_;
  std::vector<int32_t> type_;
  std::vector<int64_t> center_;
  std::vector<F> inverse_std_;  // [ntypes][4]
  std::vector<Pair> pairs_;
  std::vector<PotentialSlot<T>> slots_;
  std::vector<PotentialSlotGradient<T>> gradient_;
  std::unique_ptr<ScratchArray<T>> scratch_;
  int64_t scratch_size_ = 0;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_BLOCKS_H_
