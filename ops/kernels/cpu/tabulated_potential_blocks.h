// Blocks of centers of a tabulated potential, and nets as their kernels want them.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_BLOCKS_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_BLOCKS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "instruction_set.h"
#include "neighbor_selection.h"
#include "scratch.h"
#include "smooth_rows/kernels.h"
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

// Sums over pairs that land on an atom, in float64 always: for each component of the force that
// itself and its products with the three of the vector, which make up the virial.
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
        first_pair_(kBlockAtoms + 1),
        neighbors_(kBlockAtoms),
        offset_(3 * kBlockAtoms),
        energy_(kBlockAtoms),
        square_(kBlockAtoms),
        most_pairs_(kBlockAtoms * call.atoms.nnei),
        columns_(kPairColumns * most_pairs_),
        atom_(most_pairs_),
        type_(kBlockAtoms),
        center_(kBlockAtoms),
        inverse_std_(kColumns * call.atoms.ntypes) {
    for (int32_t type = 0; type < call.atoms.ntypes; ++type) {
      for (int c = 0; c < kColumns; ++c) {
        inverse_std_[kColumns * type + c] = F(1) / call.dstd[kColumns * call.atoms.nnei * type + c];
      }
    }
  }

  // The centers [begin, end) of a frame; adds to sums [nall][kSumsWidth]. Returns false if an error
  // has been reported.
  bool Run(int64_t frame, int64_t begin, int64_t end, double* sums) {
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
  // Those of PairColumns, and the derivatives by the vectors.
  static constexpr int64_t kPairColumns = 15, kForceColumn = 12;

  void Clear() {
    natoms_ = most_slots_ = npairs_ = 0;
    slots_.clear();
    first_[0] = first_pair_[0] = 0;
  }

  void EvaluateBlock(int64_t frame, double* sums) {
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
    AddPairs(type, atype, davg, inverse_std);
    neighbors_[natoms_] = slots_.size() - first;
    const int32_t nblocks = shape.sel == nullptr ? 1 : shape.ntypes;
    for (int32_t block = 0; block < nblocks; ++block) {
      const int32_t slot_type = shape.sel == nullptr ? shape.ntypes : block;
      const int64_t empty = selection_.CountEmpty(block);
      if (empty > 0 && call_.IsKept(type, slot_type))
        AddEmpty(empty, type, slot_type, davg, inverse_std);
    }
    first_[natoms_ + 1] = slots_.size();
    first_pair_[natoms_ + 1] = npairs_;
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

  F* Column(int64_t number, int64_t pair) { return columns_.get() + number * most_pairs_ + pair; }

  // Of the pairs from number `first` on.
  PairColumns<F> Columns(int64_t first) {
    const auto at = [&](int64_t number) { return Column(number, first); };
    return {
        {at(0), at(1), at(2)}, {at(3), at(4), at(5), at(6)}, at(7), at(8), at(9), at(10), at(11)};
  }

  const RowKernels<F>& row_kernels() const {
    return KernelsFor<F>(net_->instruction_set, kRowTables);
  }

  // The neighbors that have been found at a center.
  void AddPairs(int32_t center, const int32_t* atype, const F* davg, const F* inverse_std) {
    const std::vector<Neighbor<F>>& found = selection_.found();
    const int64_t number = found.size(), first = slots_.size();
    F* d[3];
    for (int k = 0; k < 3; ++k) d[k] = Column(k, npairs_);
    for (int64_t j = 0; j < number; ++j) {
      for (int k = 0; k < 3; ++k) d[k][j] = found[j].d[k];
      atom_[npairs_ + j] = found[j].atom;
    }
    const RowSettings<F> settings = {call_.atoms.rcut, call_.atoms.rcut_smth, call_.switch_kind,
                                     call_.switch_range};
    const PairColumns<F> pairs = Columns(npairs_);
    row_kernels().fill(&settings, &pairs, number);
    slots_.resize(first + number);
    for (int64_t j = 0; j < number; ++j) {
      PotentialSlot<T>& slot = slots_[first + j];
      for (int c = 0; c < kColumns; ++c) {
        slot.row[c] = static_cast<T>((pairs.row[c][j] - davg[c]) * inverse_std[c]);
      }
      slot.radial = slot.row[0];
      slot.weight = static_cast<T>(pairs.weight[j]);
      slot.pair = call_.PairNumber(center, atype[found[j].atom]);
      if (!call_.IsKept(center, atype[found[j].atom])) Exclude(davg, pairs, j, &slot);
    }
    npairs_ += number;
  }

  // Of an excluded pair the row is constant, and no force comes back.
  void Exclude(const F* davg, const PairColumns<F>& pairs, int64_t j,
               PotentialSlot<T>* slot) const {
    const T element = static_cast<T>(call_.ExcludedElement(davg));
    for (int c = 0; c < kColumns; ++c) slot->row[c] = element;
    slot->radial = element;
    slot->weight = 0;
    pairs.radial[j] = pairs.outer[j] = pairs.diagonal[j] = 0;
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
    slot.pair = call_.PairNumber(center, type);
    slots_.push_back(slot);
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

  void AddForces(int64_t frame, int64_t a, double* sums) {
    const deepattn_env_mat_shape& shape = call_.atoms;
    const int64_t center = center_[a];
    call_.atom_energy[frame * shape.nloc + center] = static_cast<F>(energy_[a]);
    if (distance_basis_ != nullptr) {
      call_.distance[frame * shape.nloc + center] = std::sqrt(static_cast<F>(square_[a]));
    }
    const int64_t first = first_pair_[a], number = neighbors_[a];
    const PairColumns<F> pairs = Columns(first);
    F* t[3];
    for (int k = 0; k < 3; ++k) t[k] = Column(kForceColumn + k, first);
    RowGradients(a, pairs);
    row_kernels().through(&pairs, number, pairs.row, t);
    double own[3] = {0, 0, 0};
    for (int64_t j = 0; j < number; ++j) {
      const double factor[4] = {1, pairs.d[0][j], pairs.d[1][j], pairs.d[2][j]};
      double* to = sums + kSumsWidth * atom_[first + j];
      for (int k = 0; k < 3; ++k) {
        const double force = t[k][j];
        own[k] += force;
        for (int l = 0; l < 4; ++l) to[4 * k + l] += force * factor[l];
      }
    }
    for (int k = 0; k < 3; ++k) sums[kSumsWidth * center + 4 * k] -= own[k];
  }

  // Puts the derivatives by the rows of a center where the rows were.
  void RowGradients(int64_t a, const PairColumns<F>& pairs) {
    const F* inverse_std = InverseStd(type_[a]);
    const PotentialSlotGradient<T>* gradient = &gradient_[first_[a]];
    for (int64_t j = 0; j < neighbors_[a]; ++j) {
      for (int c = 0; c < kColumns; ++c) {
        pairs.row[c][j] = static_cast<F>(gradient[j].row[c]) * inverse_std[c];
      }
      pairs.row[0][j] += pairs.slope[j] * static_cast<F>(gradient[j].weight);
    }
  }

  const TabulatedPotentialCall<F, T>& call_;
  const DistanceBasis<T>* const distance_basis_;
  NeighborSelection<F> selection_;
  // Of the block at work.
  const PackedFittingNet* net_ = nullptr;
  int64_t natoms_ = 0;
  int64_t most_slots_ = 0;
  int64_t npairs_ = 0;
  std::vector<int64_t> first_;
  std::vector<int64_t> first_pair_;
  std::vector<int64_t> neighbors_;
  std::vector<const T*> offset_;
  std::vector<T> energy_;
  std::vector<T> square_;
  std::vector<int32_t> type_;
  std::vector<int64_t> center_;
  const int64_t most_pairs_;
  ScratchArray<F> columns_;     // [kPairColumns][most_pairs_]
  std::vector<int32_t> atom_;   // [most_pairs_], the neighbors
  std::vector<F> inverse_std_;  // [ntypes][4]
  std::vector<PotentialSlot<T>> slots_;
  std::vector<PotentialSlotGradient<T>> gradient_;
  std::unique_ptr<ScratchArray<T>> scratch_;
  int64_t scratch_size_ = 0;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_BLOCKS_H_
