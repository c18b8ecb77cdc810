// What both operations of `smooth_potential.cc` do with the atoms.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_PASSES_H_

#include <algorithm>
#include <memory>
#include <vector>

#include "scratch.h"
#include "smooth_potential_rows.h"

namespace deepattn {

// Atoms between whose passes their numbers are kept: what bounds the memory.
constexpr int64_t kChunkAtoms = 128;
// Atoms whose rows are collected together.
constexpr int64_t kPartAtoms = 8;
// Multiply-adds of a core in a nanosecond, and a tanh in multiply-adds, roughly.
constexpr int64_t kPerNanosecond = 16, kTanh = 16;

// The work is cut by the numbers of atoms alone, so results do not depend on the threads.
template <typename F, typename T>
class Passes {
 public:
  using Call = SmoothPotentialCall<F, T>;

  Passes(const Call& call, const SmoothKernels<T>& kernels, int64_t most_parts, bool gradients,
         const deepattn_threads& threads, FirstError* error)
      : call_(call),
        kernels_(kernels),
        threads_(threads),
        error_(error),
        gradients_(gradients),
        width_(call.embedding.width[call.embedding.nlayers - 1]),
        atom_size_(kRowWidth * kernels_.stride(width_)),
        packed_(kernels_.packed_size(&call.embedding)),
        contracted_((gradients ? 4 : 2) * kChunkAtoms * atom_size_) {
    if (!SortAtoms()) return;
    Pack();
    const int64_t nparts = std::min(most_parts, (kChunkAtoms + kPartAtoms - 1) / kPartAtoms);
    for (int64_t p = 0; p < nparts; ++p) rows_.emplace_back(call, error);
    embedding_.resize(nparts);
  }

  // Calls `work` for each chunk.
  template <typename Work>
  void ForChunks(const Work& work) {
    const int64_t number = order_.size();
    for (begin_ = 0; begin_ < number && error_->ok(); begin_ += kChunkAtoms) {
      natoms_ = std::min(kChunkAtoms, number - begin_);
      nparts_ = std::clamp<int64_t>((natoms_ + kPartAtoms - 1) / kPartAtoms, 1, rows_.size());
      MakeGroups();
      work();
    }
  }

  // Rᵀ G of the atoms of a chunk; with tangents along `direction`, or with G kept.
  void Describe(const F* direction) {
    ForParts(2, [&](int64_t p, T* scratch) {
      if (!rows_[p].Collect(Atoms(p), PartAtoms(p), direction)) return false;
      if (direction == nullptr) {
        const int64_t size = rows_[p].rows().size() * 2 * kernels_.stride(width_);
        embedding_[p] = std::make_unique<ScratchArray<T>>(size);
      }
      const SmoothPart<T> part = Part(p);
      kernels_.describe(&part, scratch);
      return true;
    });
  }

  // Calls work(part, rows, scratch), which returns whether it succeeded, for all parts.
  template <typename Work>
  void ForParts(int64_t passes, const Work& work) {
    if (!error_->ok()) return;
    const int64_t cost = passes * natoms_ / nparts_ * call_.nnei * RowCost() / 2 + 1;
    const int64_t size = kernels_.part_scratch_size(&call_.embedding);
    ParallelFor(threads_, nparts_, cost, error_, [&] {
      return [&, scratch = ScratchArray<T>(size)](int64_t p) { return work(p, scratch.get()); };
    });
  }

  // Calls work(group, scratch) for all groups of the chunk.
  template <typename Work>
  void ForGroups(const Work& work) {
    if (!error_->ok()) return;
    int64_t size = 0;
    for (const SmoothGroup<T>& group : groups_) {
      size = std::max(size, kernels_.group_scratch_size(group.net, width_, gradients_));
    }
    const int64_t cost = kGroupAtoms * NetCost() * (gradients_ ? 4 : 2);
    ParallelFor(threads_, groups_.size(), cost, error_, [&] {
      return [&, scratch = ScratchArray<T>(size)](int64_t g) {
        work(groups_[g], scratch.get());
        return true;
      };
    });
  }

  SmoothPart<T> Part(int64_t p) const {
    const int64_t at = PartBegin(p) * atom_size_;
    return {&call_.embedding,
            packed_.get(),
            call_.count,
            PartAtoms(p),
            rows_[p].net_begin(),
            rows_[p].rows().data(),
            Array(0) + at,
            gradients_ ? Array(2) + at : nullptr,
            gradients_ ? nullptr : embedding_[p]->get(),
            Array(1) + at,
            gradients_ ? Array(3) + at : nullptr};
  }

  const SmoothKernels<T>& kernels() const { return kernels_; }
  const deepattn_threads& threads() const { return threads_; }
  std::vector<SmoothGroup<T>>& groups() { return groups_; }
  const SmoothRows<F, T>& rows(int64_t p) const { return rows_[p]; }
  // Of a group, by its number in the batch.
  const int64_t* AtomsOf(const SmoothGroup<T>& group) const {
    return order_.data() + begin_ + (group.contracted - Array(0)) / atom_size_;
  }

 private:
  // Real atoms, those of a fitting net together.
  bool SortAtoms() {
    std::vector<std::vector<int64_t>> of_net(call_.nnets);
    for (int64_t unit = 0; unit < call_.nframes * call_.nloc; ++unit) {
      const int32_t type = call_.atype[unit];
      if (type >= call_.ntypes) {
        error_->Report(unit, DEEPATTN_INVALID_ARGUMENT,
                       "frame %lld: atom %lld has type %d, but there are only %d types",
                       static_cast<long long>(unit / call_.nloc),
                       static_cast<long long>(unit % call_.nloc), static_cast<int>(type),
                       static_cast<int>(call_.ntypes));
        return false;
      }
      if (type >= 0) of_net[call_.nnets == 1 ? 0 : type].push_back(unit);
    }
    for (const std::vector<int64_t>& atoms : of_net) {
      order_.insert(order_.end(), atoms.begin(), atoms.end());
    }
    return true;
  }

  void Pack() {
    const EmbeddingNets<T>& nets = call_.embedding;
    kernels_.pack_tables(&nets, packed_.get());
    const int64_t cost = kernels_.packed_size(&nets) / nets.nnets;
    ParallelFor(threads_, nets.nnets, cost, error_, [&] {
      return [&](int64_t net) {
        kernels_.pack_net(&nets, net, packed_.get());
        return true;
      };
    });
  }

  int32_t NetOf(int64_t place) const {
    return call_.nnets == 1 ? 0 : call_.atype[order_[begin_ + place]];
  }

  // At least two for the atoms of a net where each then fills a vector.
  void MakeGroups() {
    groups_.clear();
    for (int64_t first = 0, end; first < natoms_; first = end) {
      end = first + 1;
      while (end < natoms_ && NetOf(end) == NetOf(first)) ++end;
      const int64_t lanes = kernels_.lanes, number = end - first;
      const int64_t most = std::min(kGroupAtoms, (number + 1) / 2);
      const int64_t size = (most + lanes - 1) / lanes * lanes;
      for (int64_t at = first; at < end; at += size) {
        SmoothGroup<T> group = {};
        group.net = &call_.nets[NetOf(first)];
        group.width = width_;
        group.axis = call_.axis;
        group.count = call_.count;
        group.natoms = std::min(size, end - at);
        group.contracted = Array(0) + at * atom_size_;
        group.grad = Array(1) + at * atom_size_;
        if (gradients_) {
          group.contracted_tangent = Array(2) + at * atom_size_;
          group.grad_tangent = Array(3) + at * atom_size_;
        }
        groups_.push_back(group);
      }
    }
    offsets_.resize(3 * natoms_);
    const int64_t first_width = call_.nets[0].width[0];
    for (SmoothGroup<T>& group : groups_) {
      const int64_t* atoms = AtomsOf(group);
      const T** offset = &offsets_[3 * (atoms - order_.data() - begin_)];
      group.offset = offset;
      for (int64_t a = 0; a < group.natoms; ++a, offset += 3) {
        const int64_t unit = atoms[a], frame = unit / call_.nloc;
        offset[0] = call_.type_offset + call_.atype[unit] * first_width;
        offset[1] =
            call_.frame_offset == nullptr ? nullptr : call_.frame_offset + frame * first_width;
        offset[2] = call_.atom_offset == nullptr ? nullptr : call_.atom_offset + unit * first_width;
      }
    }
  }

  int64_t PartBegin(int64_t p) const { return natoms_ * p / nparts_; }
  int64_t PartAtoms(int64_t p) const { return PartBegin(p + 1) - PartBegin(p); }
  const int64_t* Atoms(int64_t p) const { return order_.data() + begin_ + PartBegin(p); }

  // Rᵀ G and the gradient by it, then the same of tangents, each of the atoms of a chunk.
  T* Array(int64_t k) const { return contracted_.get() + k * kChunkAtoms * atom_size_; }

  int64_t RowCost() const {
    const EmbeddingNets<T>& nets = call_.embedding;
    int64_t products = kTanh * nets.width[0];
    for (int64_t k = 1; k < nets.nlayers; ++k) {
      products += (nets.width[k - 1] + kTanh) * nets.width[k];
    }
    return 2 * products / kPerNanosecond + 1;
  }

  int64_t NetCost() const {
    const FittingNet<T>& net = call_.nets[0];
    int64_t products = 0;
    for (int64_t k = 0; k < net.nhidden; ++k) {
      products += ((k == 0 ? net.input : net.width[k - 1]) + kTanh) * net.width[k];
    }
    return products / kPerNanosecond + 1;
  }

  const Call& call_;
  const SmoothKernels<T>& kernels_;
  const deepattn_threads& threads_;
  FirstError* const error_;
  const bool gradients_;
  const int64_t width_;
  const int64_t atom_size_;
  const ScratchArray<T> packed_;
  const ScratchArray<T> contracted_;
  std::vector<int64_t> order_;
  std::vector<SmoothRows<F, T>> rows_;
  std::vector<std::unique_ptr<ScratchArray<T>>> embedding_;
  // Of the chunk at work.
  int64_t begin_ = 0;
  int64_t natoms_ = 0;
  int64_t nparts_ = 0;
  std::vector<SmoothGroup<T>> groups_;
  std::vector<const T*> offsets_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_PASSES_H_
