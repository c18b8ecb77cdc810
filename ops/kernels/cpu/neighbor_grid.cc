#include "neighbor_grid.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "kernels/common/selection_distance.h"

namespace deepattn {
namespace {

const char* Sentence(GridGeometry::Problem problem) {
  switch (problem) {
    case GridGeometry::kNotFinite:
      return "the box has a value that is not finite";
    case GridGeometry::kNoVolume:
      return "the box has no volume, as a periodic frame needs";
    case GridGeometry::kTooThin:
      return "the box is too thin for the cutoff radius";
    default:
      return "";
  }
}

template <typename T>
void SetOpen(const T* coord, const int32_t* atype, int64_t natoms, float rcut,
             GridGeometry* geometry) {
  double low[3], high[3];
  std::fill(low, low + 3, std::numeric_limits<double>::max());
  std::fill(high, high + 3, std::numeric_limits<double>::lowest());
  for (int64_t i = 0; i < natoms; ++i) {
    if (atype[i] < 0) continue;
    for (int d = 0; d < 3; ++d) {
      low[d] = std::min(low[d], static_cast<double>(coord[3 * i + d]));
      high[d] = std::max(high[d], static_cast<double>(coord[3 * i + d]));
    }
  }
  geometry->SetOpen(low, high, rcut);
}

}  // namespace

template <typename T>
void NeighborGrid<T>::SetCost(int64_t natoms) {
  double visited = 1, cells = 1;
  for (int d = 0; d < 3; ++d) {
    visited *= static_cast<double>(2 * geometry_.reach[d] + 1);
    cells *= static_cast<double>(geometry_.ncells[d]);
  }
  cost_ = static_cast<int64_t>(std::min(visited * (1 + static_cast<double>(natoms) / cells), 1e12));
}

template <typename T>
std::string NeighborGrid<T>::Build(const T* coord, const int32_t* atype, int64_t natoms,
                                   const T* box, float rcut) {
  rcut2_f_ = rcut * rcut;
  rcut2_ = static_cast<T>(rcut2_f_);
  if (box == nullptr) {
    SetOpen(coord, atype, natoms, rcut, &geometry_);
  } else {
    const GridGeometry::Problem problem = geometry_.SetPeriodic(box, rcut);
    if (problem != GridGeometry::kFine) return Sentence(problem);
  }
  geometry_.SetCells(natoms);
  SetCost(natoms);

  wrapped_.assign(coord, coord + 3 * natoms);
  fraction_.assign(3 * natoms, 0.0);
  std::vector<int64_t> home(natoms, -1);
  start_.assign(geometry_.ncells[0] * geometry_.ncells[1] * geometry_.ncells[2] + 1, 0);
  for (int64_t i = 0; i < natoms; ++i) {
    if (atype[i] < 0) continue;
    double* fraction = &fraction_[3 * i];
    if (!geometry_.Fraction(coord + 3 * i, fraction)) {
      char sentence[96];
      std::snprintf(sentence, sizeof(sentence), "atom %lld cannot be wrapped into the box",
                    static_cast<long long>(i));
      return sentence;
    }
    if (box != nullptr) geometry_.Wrap(fraction, &wrapped_[3 * i]);
    home[i] = geometry_.Number(geometry_.PlaceOf(fraction).cell);
    ++start_[home[i] + 1];
  }
  for (size_t c = 1; c < start_.size(); ++c) start_[c] += start_[c - 1];
  members_.resize(start_.back());
  sorted_.resize(3 * start_.back());
  std::vector<int64_t> next(start_.begin(), start_.end() - 1);
  for (int64_t i = 0; i < natoms; ++i) {
    if (home[i] < 0) continue;
    const int64_t slot = next[home[i]]++;
    members_[slot] = static_cast<int32_t>(i);
    std::copy_n(&wrapped_[3 * i], 3, &sorted_[3 * slot]);
  }
  return "";
}

template <typename T>
void NeighborGrid<T>::Find(int64_t center, std::vector<Neighbor<T>>* found) const {
  const T* at = Position(center);
  const GridGeometry::Place home = geometry_.PlaceOf(&fraction_[3 * center]);
  const int64_t* reach = geometry_.reach;
  int64_t at_cell[3];
  std::array<int32_t, 3> image;
  for (int64_t ox = -reach[0]; ox <= reach[0]; ++ox) {
    if (!geometry_.Step(home, 0, ox, &at_cell[0], &image[0])) continue;
    for (int64_t oy = -reach[1]; oy <= reach[1]; ++oy) {
      if (!geometry_.Step(home, 1, oy, &at_cell[1], &image[1])) continue;
      for (int64_t oz = -reach[2]; oz <= reach[2]; ++oz) {
        if (!geometry_.Step(home, 2, oz, &at_cell[2], &image[2])) continue;
        const bool is_home_image = image[0] == 0 && image[1] == 0 && image[2] == 0;
        double shift[3];
        geometry_.Shift(image.data(), shift);
        const int64_t cell = geometry_.Number(at_cell);
        for (int64_t slot = start_[cell]; slot < start_[cell + 1]; ++slot) {
          T there[3], d[3];
          for (int k = 0; k < 3; ++k) {
            there[k] = static_cast<T>(static_cast<double>(sorted_[3 * slot + k]) + shift[k]);
            d[k] = there[k] - at[k];
          }
          if (!(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < rcut2_)) continue;
          const int32_t atom = members_[slot];
          if (is_home_image && atom == center) continue;
          const float q = SelectionDistance(at, there);
          if (q <= rcut2_f_) found->push_back({{d[0], d[1], d[2]}, q, atom, image});
        }
      }
    }
  }
}

template <typename T>
bool NeighborGrid<T>::Precedes(const Neighbor<T>& a, const Neighbor<T>& b) const {
  constexpr std::array<int32_t, 3> kHome = {0, 0, 0};
  const bool a_local = a.image == kHome;
  const bool b_local = b.image == kHome;
  if (a_local != b_local) return a_local;
  if (!a_local) {
    for (int d = 0; d < 3; ++d) {
      const int64_t cell_a = geometry_.GhostCell(&fraction_[3 * a.atom], d, a.image[d]);
      const int64_t cell_b = geometry_.GhostCell(&fraction_[3 * b.atom], d, b.image[d]);
      if (cell_a != cell_b) return cell_a < cell_b;
    }
  }
  return a.atom < b.atom;
}

template class NeighborGrid<float>;
template class NeighborGrid<double>;

}  // namespace deepattn
