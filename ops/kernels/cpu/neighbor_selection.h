// Which atoms are the neighbors of a center, from a list or from a search: what the environment
// matrix has in its slots.
#ifndef DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SELECTION_H_
#define DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SELECTION_H_

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "check_frame.h"
#include "env_mat.h"
#include "neighbor_grid.h"
#include "parallel.h"
#include "smooth_rows/kernels.h"

namespace deepattn {

// The atoms of all frames: coord [nframes][nall][3], atype [nframes][nall], box [nframes][9].
template <typename T>
struct Atoms {
  const T* coord;
  const int32_t* atype;
  const T* box;
};

// The row of every center, or an error unless ilist is a permutation and the counts make sense.
inline std::vector<int64_t> InvertList(const deepattn_env_mat_shape& shape,
                                       const deepattn_neighbor_source& source, FirstError* error) {
  std::vector<int64_t> row_of(shape.nloc, -1);
  for (int64_t row = 0; row < shape.nloc; ++row) {
    const int32_t center = source.ilist[row];
    if (center < 0 || center >= shape.nloc || row_of[center] >= 0) {
      error->Report(0, DEEPATTN_INVALID_ARGUMENT,
                    "row %lld of the neighbor list belongs to atom %d, which is %s",
                    static_cast<long long>(row), center,
                    center < 0 || center >= shape.nloc ? "not a local atom" : "listed twice");
      break;
    }
    if (source.numneigh[row] < 0 ||
        (source.numneigh[row] > 0 && source.firstneigh[row] == nullptr)) {
      error->Report(0, DEEPATTN_INVALID_ARGUMENT, "row %lld of the neighbor list has %d entries%s",
                    static_cast<long long>(row), source.numneigh[row],
                    source.numneigh[row] < 0 ? "" : " at a null address");
      break;
    }
    row_of[center] = row;
  }
  return row_of;
}

// Where the neighbors of all frames are found: the cells of every frame, or the rows of the list.
template <typename T>
class NeighborSearch {
 public:
  NeighborSearch(const deepattn_env_mat_shape& shape, const deepattn_neighbor_source& source,
                 const Atoms<T>& atoms)
      : shape_(shape),
        source_(source),
        atoms_(atoms),
        grids_(source.kind == DEEPATTN_LISTED ? 0 : shape.nframes) {}

  // Checks all atoms and sorts them into cells.
  void Prepare(const deepattn_threads& threads, FirstError* error) {
    const bool listed = source_.kind == DEEPATTN_LISTED;
    const int64_t natoms = shape_.nall;
    ParallelFor(threads, shape_.nframes, 40 * natoms, error, [&] {
      return [&](int64_t frame) {
        const T* coord = atoms_.coord + frame * natoms * 3;
        const int32_t* atype = atoms_.atype + frame * natoms;
        if (!CheckFrame(frame, natoms, shape_.ntypes, coord, atype, error)) return false;
        if (listed) return true;
        const T* box = source_.kind == DEEPATTN_PERIODIC ? atoms_.box + 9 * frame : nullptr;
        const std::string sentence = grids_[frame].Build(coord, atype, natoms, box, shape_.rcut);
        if (sentence.empty()) return true;
        error->Report(frame, DEEPATTN_INVALID_ARGUMENT, "frame %lld: %s",
                      static_cast<long long>(frame), sentence.c_str());
        return false;
      };
    });
    if (error->ok() && listed) row_of_ = InvertList(shape_, source_, error);
  }

  // Of the selection at one center, in nanoseconds.
  int64_t cost() const {
    if (source_.kind == DEEPATTN_LISTED) return 1000;
    return grids_.empty() ? 0 : 3 * grids_[0].cost();
  }

  const deepattn_env_mat_shape& shape() const { return shape_; }
  const deepattn_neighbor_source& source() const { return source_; }
  const Atoms<T>& atoms() const { return atoms_; }
  bool listed() const { return source_.kind == DEEPATTN_LISTED; }
  const NeighborGrid<T>& grid(int64_t frame) const { return grids_[frame]; }
  int64_t row_of(int64_t center) const { return row_of_[center]; }

 private:
  const deepattn_env_mat_shape& shape_;
  const deepattn_neighbor_source& source_;
  const Atoms<T> atoms_;
  std::vector<NeighborGrid<T>> grids_;
  std::vector<int64_t> row_of_;  // of every center, in the list
};

// The neighbors of one center at a time; holds scratch memory.
template <typename T>
class NeighborSelection {
 public:
  NeighborSelection(const NeighborSearch<T>& search, FirstError* error)
      : search_(search),
        shape_(search.shape()),
        error_(error),
        kernels_(CurrentKernels<T>(kRowTables)),
        chosen_(shape_.nnei),
        filled_(shape_.sel == nullptr ? 1 : shape_.ntypes),
        first_slot_(filled_.size(), 0) {
    for (size_t t = 1; t < first_slot_.size(); ++t) {
      first_slot_[t] = first_slot_[t - 1] + shape_.sel[t - 1];
    }
  }

  // Fills the slots of the center `unit` = frame * nloc + center, the nearest neighbors of each
  // block first; returns false if it has reported an error.
  bool FillSlots(int64_t unit) {
    const int64_t frame = unit / shape_.nloc;
    std::fill(chosen_.begin(), chosen_.end(), -1);
    if (!Gather(unit)) return false;
    Sort(frame);
    Choose(frame);
    for (const int64_t n : chosen_) {
      if (n >= 0 && !CheckApart(unit, found_[n])) return false;
    }
    return true;
  }

  // Finds the neighbors that would fill the slots, in any order; returns false if it has reported
  // an error.
  bool FindNearest(int64_t unit) {
    if (!Gather(unit)) return false;
    const int32_t* atype = TypesOf(unit / shape_.nloc);
    std::fill(filled_.begin(), filled_.end(), 0);
    bool fits = true;
    for (const Neighbor<T>& neighbor : found_) {
      const int32_t block = BlockOf(atype[neighbor.atom]);
      fits = ++filled_[block] <= RoomOf(block) && fits;
    }
    if (!fits) {
      Sort(unit / shape_.nloc);
      nearest_.clear();
      std::fill(filled_.begin(), filled_.end(), 0);
      for (const uint64_t key : order_) {
        const Neighbor<T>& neighbor = found_[key & kPosition];
        const int32_t block = BlockOf(atype[neighbor.atom]);
        if (filled_[block] == RoomOf(block)) continue;
        ++filled_[block];
        nearest_.push_back(neighbor);
      }
      found_.swap(nearest_);
    }
    for (const Neighbor<T>& neighbor : found_) {
      if (!CheckApart(unit, neighbor)) return false;
    }
    return true;
  }

  // What FindNearest has found.
  const std::vector<Neighbor<T>>& found() const { return found_; }

  // How many slots of a block it leaves empty.
  int64_t CountEmpty(int32_t block) const { return RoomOf(block) - filled_[block]; }

  // The neighbor in a slot, or null, after FillSlots.
  const Neighbor<T>* InSlot(int64_t slot) const {
    return chosen_[slot] < 0 ? nullptr : &found_[chosen_[slot]];
  }

 private:
  static constexpr uint64_t kPosition = 0xffffffffu;

  const int32_t* TypesOf(int64_t frame) const {
    return search_.atoms().atype + frame * shape_.nall;
  }
  int32_t BlockOf(int32_t type) const { return shape_.sel == nullptr ? 0 : type; }
  int64_t RoomOf(int32_t block) const {
    return shape_.sel == nullptr ? shape_.nnei : shape_.sel[block];
  }

  // All atoms within the cutoff, but virtual ones.
  bool Gather(int64_t unit) {
    const int64_t frame = unit / shape_.nloc, center = unit % shape_.nloc;
    found_.clear();
    if (!search_.listed()) {
      search_.grid(frame).Find(center, &found_);
      return true;
    }
    const int64_t row = search_.row_of(center);
    const int32_t* list = search_.source().firstneigh[row];
    const int64_t listed = search_.source().numneigh[row];
    const T* coord = search_.atoms().coord + frame * shape_.nall * 3;
    if (static_cast<int64_t>(distance_.size()) < listed) {
      distance_.resize(listed);
      within_.resize(listed);
    }
    const FrameAtoms<T> atoms = {shape_.nall, coord, TypesOf(frame)};
    if (!kernels_.square_distances(&atoms, center, list, listed, distance_.data())) {
      ReportEntry(unit, list, listed);
      return false;
    }
    // Without a branch, which would go either way at random.
    const float rcut2 = shape_.rcut * shape_.rcut;
    int64_t number = 0;
    for (int64_t k = 0; k < listed; ++k) {
      within_[number] = k;
      number += distance_[k] <= rcut2;
    }
    found_.resize(number);
    const T* from = coord + 3 * center;
    for (int64_t n = 0; n < number; ++n) {
      const int32_t j = list[within_[n]];
      const T* to = coord + 3 * static_cast<int64_t>(j);
      found_[n] = {
          {to[0] - from[0], to[1] - from[1], to[2] - from[2]}, distance_[within_[n]], j, {0, 0, 0}};
    }
    return true;
  }

  void ReportEntry(int64_t unit, const int32_t* list, int64_t listed) {
    const int64_t center = unit % shape_.nloc;
    const auto is_wrong = [&](int32_t j) { return j < 0 || j >= shape_.nall || j == center; };
    const int32_t j = *std::find_if(list, list + listed, is_wrong);
    error_->Report(unit, DEEPATTN_INVALID_ARGUMENT,
                   "frame %lld: the neighbor list of atom %lld has entry %d, which is %s",
                   static_cast<long long>(unit / shape_.nloc), static_cast<long long>(center), j,
                   j == center ? "the atom itself" : "not the index of an atom");
  }

  // order_: nearest first; among equals the one DeePMD numbers first.
  void Sort(int64_t frame) {
    order_.resize(found_.size());
    for (size_t n = 0; n < found_.size(); ++n) {
      uint32_t bits;  // of a float that is not negative: ordered as the float is
      std::memcpy(&bits, &found_[n].q, sizeof(bits));
      order_[n] = static_cast<uint64_t>(bits) << 32 | n;
    }
    std::sort(order_.begin(), order_.end());
    const auto precedes = [&](uint64_t a, uint64_t b) {
      const Neighbor<T>& left = found_[a & kPosition];
      const Neighbor<T>& right = found_[b & kPosition];
      return search_.listed() ? left.atom < right.atom : search_.grid(frame).Precedes(left, right);
    };
    for (size_t begin = 0, end; begin < order_.size(); begin = end) {
      for (end = begin + 1; end < order_.size() && order_[end] >> 32 == order_[begin] >> 32;) ++end;
      if (end - begin > 1) std::sort(order_.begin() + begin, order_.begin() + end, precedes);
    }
  }

  void Choose(int64_t frame) {
    const int32_t* atype = TypesOf(frame);
    std::fill(filled_.begin(), filled_.end(), 0);
    for (const uint64_t key : order_) {
      const int64_t n = static_cast<int64_t>(key & kPosition);
      const int32_t block = BlockOf(atype[found_[n].atom]);
      if (filled_[block] < RoomOf(block)) chosen_[first_slot_[block] + filled_[block]++] = n;
    }
  }

  bool CheckApart(int64_t unit, const Neighbor<T>& n) {
    if (n.d[0] * n.d[0] + n.d[1] * n.d[1] + n.d[2] * n.d[2] > 0) return true;
    error_->Report(unit, DEEPATTN_INVALID_ARGUMENT,
                   "frame %lld: atoms %lld and %d are at the same place",
                   static_cast<long long>(unit / shape_.nloc),
                   static_cast<long long>(unit % shape_.nloc), n.atom);
    return false;
  }

  const NeighborSearch<T>& search_;
  const deepattn_env_mat_shape& shape_;
  FirstError* error_;
  const RowKernels<T>& kernels_;
  std::vector<Neighbor<T>> found_;
  std::vector<Neighbor<T>> nearest_;
  std::vector<float> distance_;      // squared, of the entries of a list
  std::vector<int32_t> within_;      // which of them are neighbors
  std::vector<uint64_t> order_;      // q in the high half, position in found_ in the low
  std::vector<int64_t> chosen_;      // slot -> position in found_, or -1
  std::vector<int64_t> filled_;      // slots used, per block
  std::vector<int64_t> first_slot_;  // per block
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SELECTION_H_
