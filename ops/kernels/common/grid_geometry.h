// The cells of a neighbor search: where they lie, which of them an atom sees, and the order that
// DeePMD gives the periodic images in them.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_GRID_GEOMETRY_H_
#define DEEPATTN_OPS_KERNELS_COMMON_GRID_GEOMETRY_H_

#include <cmath>
#include <cstdint>

#include "kernels/common/both.h"

namespace deepattn {

// The most cells that a grid of so many atoms has.
DEEPATTN_BOTH int64_t MostCells(int64_t natoms) { return natoms > 32 ? 2 * natoms : 64; }

struct GridGeometry {
  // More images than this around one atom is a broken box, not a small one.
  static constexpr double kMaxImages = 1 << 20;
  // Cells are kept a hair within reach of each other, so that rounding loses no neighbor.
  static constexpr double kSlack = 1e-9;

  enum Problem { kFine, kNotFinite, kNoVolume, kTooThin };

  // Where an atom is: its cell, and where in it, in cells.
  struct Place {
    int64_t cell[3];
    double inside[3];
  };

  bool periodic;
  double rcut;
  double origin[3];
  double cell[3][3];       // rows: box vectors
  double inverse[3][3];    // fractional = (r - origin) · inverse
  double height[3];        // distance between opposite faces
  int64_t ghost_cells[3];  // cells of DeePMD's numbering along each axis
  int64_t ncells[3];       // cells of this grid
  int64_t reach[3];        // how many cells away a neighbor can be

  // A finite double to a cell index; anything else lands at an edge.
  DEEPATTN_BOTH static int64_t CellIndex(double value, int64_t cells) {
    if (!(value >= 0)) return 0;
    if (value >= static_cast<double>(cells)) return cells - 1;
    const int64_t index = static_cast<int64_t>(value);
    return index < cells - 1 ? index : cells - 1;
  }

  DEEPATTN_BOTH static int64_t CountCells(double height, double rcut) {
    const double cells = std::floor(height / rcut);
    return cells < 1 ? 1 : cells > 1e15 ? static_cast<int64_t>(1e15) : static_cast<int64_t>(cells);
  }

  // For a box of the rows `box`.
  template <typename T>
  DEEPATTN_BOTH Problem SetPeriodic(const T* box, float cutoff) {
    periodic = true;
    rcut = cutoff;
    double largest = 0;
    for (int k = 0; k < 9; ++k) {
      const double value = static_cast<double>(box[k]);
      if (!std::isfinite(value)) return kNotFinite;
      cell[k / 3][k % 3] = value;
      if (std::abs(value) > largest) largest = std::abs(value);
    }
    double cross[3][3];  // row d: product of the two other vectors
    for (int d = 0; d < 3; ++d) {
      const double* u = cell[(d + 1) % 3];
      const double* v = cell[(d + 2) % 3];
      for (int k = 0; k < 3; ++k) {
        cross[d][k] = u[(k + 1) % 3] * v[(k + 2) % 3] - u[(k + 2) % 3] * v[(k + 1) % 3];
      }
    }
    const double volume =
        cell[0][0] * cross[0][0] + cell[0][1] * cross[0][1] + cell[0][2] * cross[0][2];
    if (!std::isfinite(volume) || std::abs(volume) <= 1e-12 * largest * largest * largest) {
      return kNoVolume;
    }
    double images = 1;
    for (int d = 0; d < 3; ++d) {
      const double area = std::sqrt(cross[d][0] * cross[d][0] + cross[d][1] * cross[d][1] +
                                    cross[d][2] * cross[d][2]);
      origin[d] = 0;
      height[d] = std::abs(volume) / area;
      for (int k = 0; k < 3; ++k) inverse[k][d] = cross[d][k] / volume;
      images *= 2 * std::floor(rcut / height[d]) + 3;
      ghost_cells[d] = CountCells(height[d], rcut);
    }
    return images <= kMaxImages ? kFine : kTooThin;
  }

  // For atoms in open space between the corners `low` and `high`.
  DEEPATTN_BOTH void SetOpen(const double* low, const double* high, float cutoff) {
    periodic = false;
    rcut = cutoff;
    for (int d = 0; d < 3; ++d) {
      origin[d] = low[d];
      height[d] = high[d] > low[d] ? high[d] - low[d] : 1.0;
      for (int k = 0; k < 3; ++k) cell[d][k] = inverse[d][k] = 0;
      cell[d][d] = height[d];
      inverse[d][d] = 1 / height[d];
      ghost_cells[d] = CountCells(height[d], rcut);
    }
  }

  // Chooses the cells of the grid.
  DEEPATTN_BOTH void SetCells(int64_t natoms) {
    // A sparse box has more cells than atoms; fewer, thicker cells find the same neighbors.
    const double limit = static_cast<double>(MostCells(natoms));
    for (int d = 0; d < 3; ++d) ncells[d] = ghost_cells[d];
    while (static_cast<double>(ncells[0]) * static_cast<double>(ncells[1]) *
               static_cast<double>(ncells[2]) >
           limit) {
      int most = 0;
      for (int d = 1; d < 3; ++d) most = ncells[d] > ncells[most] ? d : most;
      ncells[most] = (ncells[most] + 1) / 2;
    }
    for (int d = 0; d < 3; ++d) {
      const double thickness = height[d] / static_cast<double>(ncells[d]);
      const double far = std::floor(rcut * (1 + kSlack) / thickness) + 1;
      const double edge = static_cast<double>(ncells[d] - 1);
      reach[d] = static_cast<int64_t>(periodic || far < edge ? far : edge);
    }
  }

  // Fractional coordinates of an atom, in a periodic box from 0 to 1; false if there are none.
  template <typename T>
  DEEPATTN_BOTH bool Fraction(const T* coord, double* fraction) const {
    for (int d = 0; d < 3; ++d) {
      double f = 0;
      for (int k = 0; k < 3; ++k) f += (static_cast<double>(coord[k]) - origin[k]) * inverse[k][d];
      if (periodic) {
        f = std::fmod(f, 1.0);
        if (f < 0) f += 1;
        if (!std::isfinite(f)) return false;
      }
      fraction[d] = f;
    }
    return true;
  }

  // Where an atom of a periodic box is, wrapped into it.
  template <typename T>
  DEEPATTN_BOTH void Wrap(const double* fraction, T* wrapped) const {
    for (int k = 0; k < 3; ++k) {
      wrapped[k] = static_cast<T>(fraction[0] * cell[0][k] + fraction[1] * cell[1][k] +
                                  fraction[2] * cell[2][k]);
    }
  }

  DEEPATTN_BOTH Place PlaceOf(const double* fraction) const {
    Place place;
    for (int d = 0; d < 3; ++d) {
      const double position = fraction[d] * static_cast<double>(ncells[d]);
      place.cell[d] = CellIndex(position, ncells[d]);
      place.inside[d] = position - static_cast<double>(place.cell[d]);
    }
    return place;
  }

  DEEPATTN_BOTH int64_t Number(const int64_t* cell) const {
    return (cell[0] * ncells[1] + cell[1]) * ncells[2] + cell[2];
  }

  // Along one axis: the cell `offset` away, and its image; false if all of it is out of reach.
  DEEPATTN_BOTH bool Step(const Place& from, int d, int64_t offset, int64_t* cell,
                          int32_t* image) const {
    const double gap = offset > 0   ? static_cast<double>(offset) - from.inside[d]
                       : offset < 0 ? from.inside[d] - static_cast<double>(offset) - 1
                                    : 0;
    if (gap * height[d] / static_cast<double>(ncells[d]) > rcut * (1 + kSlack)) return false;
    *cell = from.cell[d] + offset;
    *image = 0;
    if (!periodic) return *cell >= 0 && *cell < ncells[d];
    const int64_t n = ncells[d];
    const int64_t turns = *cell >= 0 ? *cell / n : -((-*cell + n - 1) / n);
    *image = static_cast<int32_t>(turns);
    *cell -= turns * n;
    return true;
  }

  // The lattice translation of an image.
  DEEPATTN_BOTH void Shift(const int32_t* image, double* shift) const {
    for (int k = 0; k < 3; ++k) {
      shift[k] =
          periodic ? image[0] * cell[0][k] + image[1] * cell[1][k] + image[2] * cell[2][k] : 0.0;
    }
  }

  // Along one axis, the cell of DeePMD's numbering that an atom's image lies in.
  DEEPATTN_BOTH int64_t GhostCell(const double* fraction, int d, int32_t image) const {
    const double position = fraction[d] * static_cast<double>(ghost_cells[d]);
    return CellIndex(position, ghost_cells[d]) + image * ghost_cells[d];
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_GRID_GEOMETRY_H_
