#include "env_mat.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "check_frame.h"
#include "kernels/common/smooth_row.h"
#include "neighbor_grid.h"
#include "parallel.h"

namespace deepattn {
namespace {

template <typename T>
struct Inputs {
  const T* coord;
  const int32_t* atype;
  const T* box;
  const T* davg;
  const T* dstd;
};

template <typename T>
struct Outputs {
  T* descrpt;
  T* deriv;
  T* rij;
  int32_t* nlist;
  int32_t* ntype;
  uint8_t* nmask;
};

// One center at a time; holds the scratch memory of a range of centers.
template <typename T>
class RowFiller {
 public:
  RowFiller(const deepattn_env_mat_shape& shape, const deepattn_neighbor_source& source,
            const Inputs<T>& in, const Outputs<T>& out, const std::vector<NeighborGrid<T>>& grids,
            const std::vector<int64_t>& row_of, FirstError* error)
      : shape_(shape),
        source_(source),
        in_(in),
        out_(out),
        grids_(grids),
        row_of_(row_of),
        error_(error),
        chosen_(shape.nnei),
        filled_(shape.sel == nullptr ? 1 : shape.ntypes),
        first_slot_(filled_.size(), 0) {
    for (size_t t = 1; t < first_slot_.size(); ++t) {
      first_slot_[t] = first_slot_[t - 1] + shape.sel[t - 1];
    }
  }

  // unit = frame * nloc + center
  bool operator()(int64_t unit) {
    const int64_t frame = unit / shape_.nloc;
    const int64_t center = unit % shape_.nloc;
    const int32_t type = in_.atype[frame * shape_.nall + center];
    std::fill(chosen_.begin(), chosen_.end(), -1);
    if (type >= 0) {
      if (!Gather(unit, frame, center)) return false;
      Sort(frame);
      Choose(frame);
      for (const int64_t n : chosen_) {
        if (n < 0) continue;
        const Neighbor<T>& found = found_[n];
        if (!(found.d[0] * found.d[0] + found.d[1] * found.d[1] + found.d[2] * found.d[2] > 0)) {
          error_->Report(unit, DEEPATTN_INVALID_ARGUMENT,
                         "frame %lld: atoms %lld and %d are at the same place",
                         static_cast<long long>(frame), static_cast<long long>(center), found.atom);
          return false;
        }
      }
    }
    for (int64_t slot = 0; slot < shape_.nnei; ++slot) Write(unit, frame, type, slot);
    return true;
  }

 private:
  bool Gather(int64_t unit, int64_t frame, int64_t center) {
    found_.clear();
    if (source_.kind != DEEPATTN_LISTED) {
      grids_[frame].Find(center, &found_);
      return true;
    }
    const T* coord = in_.coord + frame * shape_.nall * 3;
    const int32_t* atype = in_.atype + frame * shape_.nall;
    const int64_t row = row_of_[center];
    const float rcut2 = shape_.rcut * shape_.rcut;
    for (int32_t k = 0; k < source_.numneigh[row]; ++k) {
      const int32_t j = source_.firstneigh[row][k];
      if (j < 0 || j >= shape_.nall || j == center) {
        error_->Report(unit, DEEPATTN_INVALID_ARGUMENT,
                       "frame %lld: the neighbor list of atom %lld has entry %d, which is %s",
                       static_cast<long long>(frame), static_cast<long long>(center), j,
                       j == center ? "the atom itself" : "not the index of an atom");
        return false;
      }
      if (atype[j] < 0) continue;
      const T* from = coord + 3 * center;
      const T* to = coord + 3 * static_cast<int64_t>(j);
      const float q = SelectionDistance(from, to);
      if (q <= rcut2) {
        found_.push_back({{to[0] - from[0], to[1] - from[1], to[2] - from[2]}, q, j, {0, 0, 0}});
      }
    }
    return true;
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
      const Neighbor<T>& left = found_[a & 0xffffffffu];
      const Neighbor<T>& right = found_[b & 0xffffffffu];
      return grids_.empty() ? left.atom < right.atom : grids_[frame].Precedes(left, right);
    };
    for (size_t begin = 0, end; begin < order_.size(); begin = end) {
      for (end = begin + 1; end < order_.size() && order_[end] >> 32 == order_[begin] >> 32;) ++end;
      if (end - begin > 1) std::sort(order_.begin() + begin, order_.begin() + end, precedes);
    }
  }

  void Choose(int64_t frame) {
    const int32_t* atype = in_.atype + frame * shape_.nall;
    std::fill(filled_.begin(), filled_.end(), 0);
    for (const uint64_t key : order_) {
      const int64_t n = static_cast<int64_t>(key & 0xffffffffu);
      const int32_t block = shape_.sel == nullptr ? 0 : atype[found_[n].atom];
      const int64_t room = shape_.sel == nullptr ? shape_.nnei : shape_.sel[block];
      if (filled_[block] < room) chosen_[first_slot_[block] + filled_[block]++] = n;
    }
  }

  void Write(int64_t unit, int64_t frame, int32_t type, int64_t slot) {
    const int64_t at = unit * shape_.nnei + slot;
    T* descrpt = out_.descrpt + 4 * at;
    T* deriv = out_.deriv + 12 * at;
    T* rij = out_.rij + 3 * at;
    std::fill_n(descrpt, 4, T(0));
    std::fill_n(deriv, 12, T(0));
    std::fill_n(rij, 3, T(0));
    const int64_t n = chosen_[slot];
    out_.nlist[at] = n < 0 ? -1 : found_[n].atom;
    if (out_.ntype != nullptr) {
      out_.ntype[at] = n < 0 ? shape_.ntypes : in_.atype[frame * shape_.nall + found_[n].atom];
    }
    if (out_.nmask != nullptr) out_.nmask[at] = n >= 0;
    if (n >= 0) {
      std::copy_n(found_[n].d, 3, rij);
      SmoothRow(shape_.rcut, shape_.rcut_smth, rij, descrpt, deriv);
    }
    if (type < 0) return;
    const T* davg = in_.davg + (type * shape_.nnei + slot) * 4;
    const T* dstd = in_.dstd + (type * shape_.nnei + slot) * 4;
    for (int a = 0; a < 4; ++a) {
      descrpt[a] = (descrpt[a] - davg[a]) / dstd[a];
      for (int k = 0; k < 3; ++k) deriv[3 * a + k] /= dstd[a];
    }
  }

  const deepattn_env_mat_shape& shape_;
  const deepattn_neighbor_source& source_;
  const Inputs<T>& in_;
  const Outputs<T>& out_;
  const std::vector<NeighborGrid<T>>& grids_;
  const std::vector<int64_t>& row_of_;
  FirstError* error_;
  std::vector<Neighbor<T>> found_;
  std::vector<uint64_t> order_;      // q in the high half, position in found_ in the low
  std::vector<int64_t> chosen_;      // slot -> position in found_, or -1
  std::vector<int64_t> filled_;      // slots used, per block
  std::vector<int64_t> first_slot_;  // per block
};

// The row of every center, or an error unless ilist is a permutation and the counts make sense.
std::vector<int64_t> InvertList(const deepattn_env_mat_shape& shape,
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

template <typename T>
void EnvMat(const deepattn_env_mat_shape& shape, const deepattn_neighbor_source& source,
            const Inputs<T>& in, const Outputs<T>& out, const deepattn_threads& threads,
            deepattn_status* status) {
  FirstError error(status);
  const bool listed = source.kind == DEEPATTN_LISTED;
  const int64_t natoms = shape.nall;
  std::vector<NeighborGrid<T>> grids(listed ? 0 : shape.nframes);
  ParallelFor(threads, shape.nframes, 40 * natoms, &error, [&] {
    return [&](int64_t frame) {
      const T* coord = in.coord + frame * natoms * 3;
      const int32_t* atype = in.atype + frame * natoms;
      if (!CheckFrame(frame, natoms, shape.ntypes, coord, atype, &error)) return false;
      if (listed) return true;
      const T* box = source.kind == DEEPATTN_PERIODIC ? in.box + 9 * frame : nullptr;
      const std::string sentence = grids[frame].Build(coord, atype, natoms, box, shape.rcut);
      if (sentence.empty()) return true;
      error.Report(frame, DEEPATTN_INVALID_ARGUMENT, "frame %lld: %s",
                   static_cast<long long>(frame), sentence.c_str());
      return false;
    };
  });
  if (!error.ok()) return;
  std::vector<int64_t> row_of;
  if (listed) row_of = InvertList(shape, source, &error);
  if (!error.ok() || shape.nframes == 0) return;
  const int64_t cost = 30 * shape.nnei + (listed ? 1000 : 3 * grids[0].cost());
  ParallelFor(threads, shape.nframes * shape.nloc, cost, &error,
              [&] { return RowFiller<T>(shape, source, in, out, grids, row_of, &error); });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_ENV_MAT(T, suffix)                                                         \
  void deepattn_env_mat_##suffix(                                                                  \
      const deepattn_env_mat_shape* shape, const deepattn_neighbor_source* source, const T* coord, \
      const int32_t* atype, const T* box, const T* davg, const T* dstd, T* descrpt, T* deriv,      \
      T* rij, int32_t* nlist, int32_t* ntype, uint8_t* nmask, const deepattn_threads* threads,     \
      deepattn_status* status) {                                                                   \
    deepattn::Guard(status, [&] {                                                                  \
      deepattn::EnvMat<T>(*shape, *source, {coord, atype, box, davg, dstd},                        \
                          {descrpt, deriv, rij, nlist, ntype, nmask}, *threads, status);           \
    });                                                                                            \
  }

DEEPATTN_DEFINE_ENV_MAT(float, f32)
DEEPATTN_DEFINE_ENV_MAT(double, f64)
