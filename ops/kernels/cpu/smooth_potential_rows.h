// The rows of environment matrices as the passes of `smooth_potential.cc` take them.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_ROWS_H_
#define DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_ROWS_H_

#include <algorithm>
#include <vector>

#include "kernels/common/factor_switch.h"
#include "parallel.h"
#include "smooth_potential/kernels.h"

namespace deepattn {

// The rows of some atoms, those of an embedding net together.
template <typename F, typename T>
class SmoothRows {
 public:
  SmoothRows(const SmoothPotentialCall<F, T>& call, FirstError* error)
      : call_(call), error_(error), net_begin_(call.embedding.nnets + 1) {}

  // Collects the rows of atoms, given by their numbers in the batch. With the tangents `direction`
  // [nframes][nloc][nnei][4], else with 1 for that of the radial entry. Returns false if an error
  // has been reported.
  bool Collect(const int64_t* atoms, int64_t natoms, const F* direction) {
    direction_ = direction;
    found_.clear();
    std::fill(net_begin_.begin(), net_begin_.end(), 0);
    for (int64_t a = 0; a < natoms; ++a) {
      if (!AddAtom(atoms[a], static_cast<int32_t>(a))) return false;
    }
    SortByNet();
    return true;
  }

  const std::vector<EmbeddedRow<T>>& rows() const { return rows_; }
  const int64_t* net_begin() const { return net_begin_.data(); }

 private:
  bool AddAtom(int64_t unit, int32_t a) {
    const int32_t center = call_.atype[unit];
    int64_t slot = unit * call_.nnei;
    for (int64_t b = 0; b < call_.nblocks; ++b) {
      int64_t empty = 0, first_empty = -1;
      for (int64_t k = 0; k < call_.block_size[b]; ++k, ++slot) {
        if (call_.nlist[slot] < 0) {
          if (empty++ == 0) first_empty = slot;
          continue;
        }
        const int32_t type = call_.ntype[slot];
        if (type < 0 || type >= call_.ntypes) {
          error_->Report(slot, DEEPATTN_INVALID_ARGUMENT,
                         "ntype of slot %lld of atom %lld is %d, but there are %d types",
                         static_cast<long long>(slot - unit * call_.nnei),
                         static_cast<long long>(unit), static_cast<int>(type),
                         static_cast<int>(call_.ntypes));
          return false;
        }
        AddNeighbor(slot, center, type, a);
      }
      if (empty > 0) AddEmpty(empty, first_empty, center, call_.block_type[b], a);
    }
    return true;
  }

  void AddNeighbor(int64_t slot, int32_t center, int32_t type, int32_t a) {
    EmbeddedRow<T> row = {};
    row.pair = PairNumber(center, type);
    row.atom = a;
    row.slot = -1;
    const F* values = call_.matrix + kRowWidth * slot;
    const F* average = call_.davg + kRowWidth * call_.nnei * center;
    if (!IsKept(center, type)) {
      if (!call_.excluded_is_average || average[0] == 0) return;
      for (int c = 0; c < kRowWidth; ++c) row.row[c] = static_cast<T>(average[0]);
      row.radial = row.row[0];
      Push(row);
      return;
    }
    row.slot = slot;
    for (int c = 0; c < kRowWidth; ++c) {
      row.row[c] = static_cast<T>(values[c]);
      if (direction_ != nullptr) {
        row.tangent[c] = static_cast<T>(direction_[kRowWidth * slot + c]);
      }
    }
    row.radial = row.row[0];
    row.radial_tangent = direction_ == nullptr ? T(1) : row.tangent[0];
    F weight, slope;
    const F deviation = call_.dstd[kRowWidth * call_.nnei * center];
    FactorSwitch(call_.switch_kind, call_.switch_range, values[0] * deviation + average[0],
                 call_.rij + 3 * slot, &weight, &slope);
    row.weight = static_cast<T>(weight);
    row.weight_tangent = static_cast<T>(slope * deviation) * row.radial_tangent;
    Push(row);
  }

  // One row that stands for all empty slots of a block, unless it is zero.
  void AddEmpty(int64_t number, int64_t slot, int32_t center, int32_t type, int32_t a) {
    if (!call_.keeps_empty && !IsKept(center, type)) return;
    EmbeddedRow<T> row = {};
    const F* values = call_.matrix + kRowWidth * slot;
    bool zero = true;
    for (int c = 0; c < kRowWidth; ++c) {
      row.row[c] = static_cast<T>(number) * static_cast<T>(values[c]);
      zero = zero && values[c] == 0;
    }
    if (zero) return;
    row.radial = static_cast<T>(values[0]);
    row.weight = call_.switch_kind == DEEPATTN_NO_SWITCH ? T(1) : T(0);
    row.pair = PairNumber(center, type);
    row.atom = a;
    row.slot = -1;
    Push(row);
  }

  void Push(const EmbeddedRow<T>& row) {
    const int32_t net = call_.embedding.net[row.pair];
    if (net < 0) return;
    ++net_begin_[net + 1];
    found_.push_back(row);
  }

  void SortByNet() {
    for (size_t net = 1; net < net_begin_.size(); ++net) net_begin_[net] += net_begin_[net - 1];
    if (net_begin_.size() == 2) {
      rows_.swap(found_);
      return;
    }
    place_.assign(net_begin_.begin(), net_begin_.end());
    rows_.resize(found_.size());
    for (const EmbeddedRow<T>& row : found_) {
      rows_[place_[call_.embedding.net[row.pair]]++] = row;
    }
  }

  bool IsKept(int32_t center, int32_t neighbor) const {
    return call_.keep == nullptr || call_.keep[center * (call_.ntypes + 1) + neighbor] != 0;
  }

  int32_t PairNumber(int32_t center, int32_t neighbor) const {
    return call_.sees_center ? center * (call_.ntypes + 1) + neighbor : neighbor;
  }

  const SmoothPotentialCall<F, T>& call_;
  FirstError* const error_;
  const F* direction_ = nullptr;
  std::vector<EmbeddedRow<T>> found_;
  std::vector<EmbeddedRow<T>> rows_;
  std::vector<int64_t> net_begin_;
  std::vector<int64_t> place_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_ROWS_H_
