#include "neighbor_grid.h"

#include <cstdio>
#include <limits>

namespace deepattn {
namespace {

// More images than this around one atom is a broken box, not a small one.
constexpr double kMaxImages = 1 << 20;
// Cells are kept a hair within reach of each other, so that rounding loses no neighbour.
constexpr double kSlack = 1e-9;

// A finite double to a cell index; anything else lands at an edge.
int64_t CellIndex(double value, int64_t cells) {
  if (!(value >= 0)) return 0;
  if (value >= static_cast<double>(cells)) return cells - 1;
  return std::min(static_cast<int64_t>(value), cells - 1);
}

int64_t CountCells(double height, double rcut) {
  return static_cast<int64_t>(std::min(std::max(1.0, std::floor(height / rcut)), 1e15));
}

int64_t FloorDivide(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

}  // namespace

template <typename T>
std::string NeighborGrid<T>::SetPeriodic(const T* box, float rcut) {
  double largest = 0;
  for (int k = 0; k < 9; ++k) {
    if (!std::isfinite(box[k])) return "the box has a value that is not finite";
    cell_[k / 3][k % 3] = static_cast<double>(box[k]);
    largest = std::max(largest, std::abs(cell_[k / 3][k % 3]));
  }
  double cross[3][3];  // row d: product of the two other vectors
  for (int d = 0; d < 3; ++d) {
    const double* u = cell_[(d + 1) % 3];
    const double* v = cell_[(d + 2) % 3];
    for (int k = 0; k < 3; ++k) {
      cross[d][k] = u[(k + 1) % 3] * v[(k + 2) % 3] - u[(k + 2) % 3] * v[(k + 1) % 3];
    }
  }
  const double volume =
      cell_[0][0] * cross[0][0] + cell_[0][1] * cross[0][1] + cell_[0][2] * cross[0][2];
  if (!std::isfinite(volume) || std::abs(volume) <= 1e-12 * largest * largest * largest) {
    return "the box has no volume, as a periodic frame needs";
  }
  double images = 1;
  for (int d = 0; d < 3; ++d) {
    const double area = std::sqrt(cross[d][0] * cross[d][0] + cross[d][1] * cross[d][1] +
                                  cross[d][2] * cross[d][2]);
    height_[d] = std::abs(volume) / area;
    for (int k = 0; k < 3; ++k) inverse_[k][d] = cross[d][k] / volume;
    images *= 2 * std::floor(rcut / height_[d]) + 3;
    ghost_cells_[d] = CountCells(height_[d], rcut);
  }
  if (!(images <= kMaxImages)) return "the box is too thin for the cut-off radius";
  return "";
}

template <typename T>
void NeighborGrid<T>::SetOpen(const T* coord, const int32_t* atype, int64_t natoms, float rcut) {
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
  for (int d = 0; d < 3; ++d) {
    origin_[d] = low[d];
    height_[d] = high[d] > low[d] ? high[d] - low[d] : 1.0;
    for (int k = 0; k < 3; ++k) cell_[d][k] = inverse_[d][k] = 0;
    cell_[d][d] = height_[d];
    inverse_[d][d] = 1 / height_[d];
    ghost_cells_[d] = CountCells(height_[d], rcut);
  }
}

template <typename T>
void NeighborGrid<T>::LimitCells(int64_t natoms, float rcut) {
  // A sparse box has more cells than atoms; fewer, thicker cells find the same neighbours.
  const double limit = static_cast<double>(std::max<int64_t>(64, 2 * natoms));
  std::copy(ghost_cells_, ghost_cells_ + 3, ncells_);
  while (static_cast<double>(ncells_[0]) * static_cast<double>(ncells_[1]) *
             static_cast<double>(ncells_[2]) >
         limit) {
    int64_t* most = std::max_element(ncells_, ncells_ + 3);
    *most = (*most + 1) / 2;
  }
  double visited = 1;
  for (int d = 0; d < 3; ++d) {
    const double thickness = height_[d] / static_cast<double>(ncells_[d]);
    const double reach = std::floor(rcut * (1 + kSlack) / thickness) + 1;
    const double edge = static_cast<double>(ncells_[d] - 1);
    reach_[d] = static_cast<int64_t>(periodic_ ? reach : std::min(reach, edge));
    visited *= static_cast<double>(2 * reach_[d] + 1);
  }
  const double cells = static_cast<double>(ncells_[0] * ncells_[1] * ncells_[2]);
  cost_ = static_cast<int64_t>(std::min(visited * (1 + static_cast<double>(natoms) / cells), 1e12));
}

template <typename T>
std::string NeighborGrid<T>::Build(const T* coord, const int32_t* atype, int64_t natoms,
                                   const T* box, float rcut) {
  periodic_ = box != nullptr;
  rcut_ = rcut;
  rcut2_f_ = rcut * rcut;
  rcut2_ = static_cast<T>(rcut2_f_);
  if (periodic_) {
    const std::string error = SetPeriodic(box, rcut);
    if (!error.empty()) return error;
  } else {
    SetOpen(coord, atype, natoms, rcut);
  }
  LimitCells(natoms, rcut);

  wrapped_.assign(coord, coord + 3 * natoms);
  fraction_.assign(3 * natoms, 0.0);
  std::vector<int64_t> home(natoms, -1);
  start_.assign(ncells_[0] * ncells_[1] * ncells_[2] + 1, 0);
  for (int64_t i = 0; i < natoms; ++i) {
    if (atype[i] < 0) continue;
    double* f = &fraction_[3 * i];
    int64_t cell = 0;
    for (int d = 0; d < 3; ++d) {
      for (int k = 0; k < 3; ++k) {
        f[d] += (static_cast<double>(coord[3 * i + k]) - origin_[k]) * inverse_[k][d];
      }
      if (periodic_) {
        f[d] = std::fmod(f[d], 1.0);
        if (f[d] < 0) f[d] += 1;
        if (!std::isfinite(f[d])) {
          char sentence[96];
          std::snprintf(sentence, sizeof(sentence), "atom %lld cannot be wrapped into the box",
                        static_cast<long long>(i));
          return sentence;
        }
      }
      cell = cell * ncells_[d] + CellIndex(f[d] * static_cast<double>(ncells_[d]), ncells_[d]);
    }
    if (periodic_) {
      for (int k = 0; k < 3; ++k) {
        wrapped_[3 * i + k] =
            static_cast<T>(f[0] * cell_[0][k] + f[1] * cell_[1][k] + f[2] * cell_[2][k]);
      }
    }
    home[i] = cell;
    ++start_[cell + 1];
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
void NeighborGrid<T>::Find(int64_t centre, std::vector<Neighbor<T>>* found) const {
  const T* at = Position(centre);
  int64_t home[3];
  double inside[3];  // where in its own cell the atom is, in cells
  for (int d = 0; d < 3; ++d) {
    const double position = fraction_[3 * centre + d] * static_cast<double>(ncells_[d]);
    home[d] = CellIndex(position, ncells_[d]);
    inside[d] = position - static_cast<double>(home[d]);
  }
  // Along one axis: the cell `offset` away, its image, or false if all of it is out of reach.
  const auto step = [&](int d, int64_t offset, int64_t* cell, int32_t* image) {
    const double gap = offset > 0   ? static_cast<double>(offset) - inside[d]
                       : offset < 0 ? inside[d] - static_cast<double>(offset) - 1
                                    : 0;
    if (gap * height_[d] / static_cast<double>(ncells_[d]) > rcut_ * (1 + kSlack)) return false;
    *cell = home[d] + offset;
    *image = 0;
    if (periodic_) {
      const int64_t turns = FloorDivide(*cell, ncells_[d]);
      *image = static_cast<int32_t>(turns);
      *cell -= turns * ncells_[d];
      return true;
    }
    return *cell >= 0 && *cell < ncells_[d];
  };
  int64_t x, y, z;
  std::array<int32_t, 3> image;
  for (int64_t ox = -reach_[0]; ox <= reach_[0]; ++ox) {
    if (!step(0, ox, &x, &image[0])) continue;
    for (int64_t oy = -reach_[1]; oy <= reach_[1]; ++oy) {
      if (!step(1, oy, &y, &image[1])) continue;
      for (int64_t oz = -reach_[2]; oz <= reach_[2]; ++oz) {
        if (!step(2, oz, &z, &image[2])) continue;
        const bool is_home_image = image[0] == 0 && image[1] == 0 && image[2] == 0;
        double shift[3];
        for (int k = 0; k < 3; ++k) {
          shift[k] = periodic_
                         ? image[0] * cell_[0][k] + image[1] * cell_[1][k] + image[2] * cell_[2][k]
                         : 0.0;
        }
        const int64_t cell = (x * ncells_[1] + y) * ncells_[2] + z;
        for (int64_t slot = start_[cell]; slot < start_[cell + 1]; ++slot) {
          T there[3], d[3];
          for (int k = 0; k < 3; ++k) {
            there[k] = static_cast<T>(static_cast<double>(sorted_[3 * slot + k]) + shift[k]);
            d[k] = there[k] - at[k];
          }
          if (!(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < rcut2_)) continue;
          const int32_t atom = members_[slot];
          if (is_home_image && atom == centre) continue;
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
      const auto cell = [&](const Neighbor<T>& n) {
        const double position = fraction_[3 * n.atom + d] * static_cast<double>(ghost_cells_[d]);
        return CellIndex(position, ghost_cells_[d]) + n.image[d] * ghost_cells_[d];
      };
      const int64_t cell_a = cell(a), cell_b = cell(b);
      if (cell_a != cell_b) return cell_a < cell_b;
    }
  }
  return a.atom < b.atom;
}

template class NeighborGrid<float>;
template class NeighborGrid<double>;

}  // namespace deepattn
