// The atoms of all frames sorted into cells, on the device.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_DEVICE_GRID_H_
#define DEEPATTN_OPS_KERNELS_CUDA_DEVICE_GRID_H_

#include <cstring>

#include "kernels/common/env_mat.h"
#include "kernels/common/grid_geometry.h"
#include "problem.h"
#include "scan.h"

namespace deepattn {

// In the arrays over cells and members, frames follow each other. Atoms of a cell are in no
// particular order: what is made of them must not depend on it.
template <typename T>
struct DeviceGrid {
  int64_t nall;
  int64_t most_cells;          // of a frame
  GridGeometry* geometry;      // [nframes]
  unsigned long long* bounds;  // [nframes][6]: low, and high with the sign changed; see Ordered
  double* fraction;            // [nframes][nall][3]
  T* wrapped;                  // [nframes][nall][3]: coordinates as the neighbors see them
  int64_t* home;               // [nframes][nall]: the cell, over all frames; -1: none
  int32_t* seat;               // [nframes][nall]: place in the cell
  int32_t* counts;             // [nframes][most_cells]
  int64_t* begins;             // [nframes * most_cells + 1]
  int64_t* sums;               // of the scan
  int32_t* members;            // [nframes * nall]: atoms by cell
  T* sorted;                   // [nframes * nall][3]: wrapped, in the order of members

  DeviceGrid(const deepattn_env_mat_shape& shape, Memory* memory)
      : nall(shape.nall), most_cells(MostCells(shape.nall)) {
    const int64_t atoms = shape.nframes * nall, cells = shape.nframes * most_cells;
    geometry = memory->Take<GridGeometry>(shape.nframes);
    bounds = memory->Take<unsigned long long>(6 * shape.nframes);
    fraction = memory->Take<double>(3 * atoms);
    wrapped = memory->Take<T>(3 * atoms);
    home = memory->Take<int64_t>(atoms);
    seat = memory->Take<int32_t>(atoms);
    counts = memory->Take<int32_t>(cells);
    begins = memory->Take<int64_t>(cells + 1);
    sums = memory->Take<int64_t>(2 * ScanBlocks(cells) + 1);
    members = memory->Take<int32_t>(atoms);
    sorted = memory->Take<T>(3 * atoms);
  }
};

// Whole numbers that are ordered as the floats they are made of.
DEEPATTN_DEVICE unsigned long long Ordered(double value) {
  unsigned long long bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits >> 63 != 0 ? ~bits : bits | 1ULL << 63;
}

DEEPATTN_DEVICE double FromOrdered(unsigned long long ordered) {
  const unsigned long long bits = ordered >> 63 != 0 ? ordered & ~(1ULL << 63) : ~ordered;
  double value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

// The corners of each frame's atoms, a stretch of them by each block.
template <typename T>
struct FindBounds {
  static constexpr int kThreads = 256;
  static constexpr int64_t kStretch = 4096;

  DeviceGrid<T> grid;
  const T* coord;
  const int32_t* atype;

  DEEPATTN_BOTH static int64_t Stretches(int64_t nall) { return (nall + kStretch - 1) / kStretch; }

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t stretches = Stretches(grid.nall);
    const int64_t frame = block.index() / stretches;
    const int64_t first = block.index() % stretches * kStretch;
    const int64_t here = grid.nall - first < kStretch ? grid.nall - first : kStretch;
    const int64_t at = frame * grid.nall + first;
    const auto low = block.Reduce<unsigned long long, 6>(
        here, ~0ULL,
        [&](int64_t k, Numbers<unsigned long long, 6>* to) {
          if (atype[at + k] < 0) return;
          for (int d = 0; d < 6; ++d) {
            const double x = static_cast<double>(coord[3 * (at + k) + d % 3]);
            const unsigned long long value = Ordered(d < 3 ? x : -x);
            if (value < (*to)[d]) (*to)[d] = value;
          }
        },
        [](unsigned long long a, unsigned long long b) { return a < b ? a : b; });
    block.Each(1, [&](int64_t) {
      for (int d = 0; d < 6; ++d) AtomicMin(grid.bounds + 6 * frame + d, low[d]);
    });
  }
};

template <typename T>
struct SetGeometry {
  DeviceGrid<T> grid;
  const T* box;  // null: open boundaries
  float rcut;
  deepattn_cuda_problem* problem;
  int32_t* broken;  // [nframes]

  DEEPATTN_DEVICE void operator()(int64_t frame) const {
    GridGeometry geometry = {};
    if (box != nullptr) {
      const GridGeometry::Problem found = geometry.SetPeriodic(box + 9 * frame, rcut);
      if (found != GridGeometry::kFine) {
        broken[frame] = 1;
        Report(problem, frame, 0,
               found == GridGeometry::kNotFinite  ? kBoxNotFinite
               : found == GridGeometry::kNoVolume ? kBoxNoVolume
                                                  : kBoxTooThin);
        return;
      }
    } else {
      double low[3], high[3];
      for (int d = 0; d < 3; ++d) {
        low[d] = FromOrdered(grid.bounds[6 * frame + d]);
        high[d] = -FromOrdered(grid.bounds[6 * frame + 3 + d]);
      }
      geometry.SetOpen(low, high, rcut);
    }
    geometry.SetCells(grid.nall);
    grid.geometry[frame] = geometry;
  }
};

// What every kernel taking atoms begins with.
template <typename T>
struct CheckAtoms {
  int64_t nall;
  int32_t ntypes;
  const T* coord;
  const int32_t* atype;
  deepattn_cuda_problem* problem;
  int32_t* broken;

  DEEPATTN_DEVICE void operator()(int64_t atom) const {
    const T* r = coord + 3 * atom;
    const bool finite = std::isfinite(r[0]) && std::isfinite(r[1]) && std::isfinite(r[2]);
    if (finite && atype[atom] < ntypes) return;
    const int64_t frame = atom / nall;
    broken[frame] = 1;
    Report(problem, frame, atom % nall, finite ? kUnknownType : kCoordNotFinite);
  }
};

// Wraps the atoms and counts those of each cell.
template <typename T>
struct SeatAtoms {
  DeviceGrid<T> grid;
  const T* coord;
  const int32_t* atype;
  deepattn_cuda_problem* problem;
  int32_t* broken;

  DEEPATTN_DEVICE void operator()(int64_t atom) const {
    const int64_t frame = atom / grid.nall;
    double* fraction = grid.fraction + 3 * atom;
    T* wrapped = grid.wrapped + 3 * atom;
    for (int k = 0; k < 3; ++k) {
      wrapped[k] = coord[3 * atom + k];
      fraction[k] = 0;
    }
    grid.home[atom] = -1;
    if (broken[frame] != 0 || atype[atom] < 0) return;
    const GridGeometry& geometry = grid.geometry[frame];
    if (!geometry.Fraction(coord + 3 * atom, fraction)) {
      Report(problem, frame, atom % grid.nall, kNotWrapped);
      return;
    }
    if (geometry.periodic) geometry.Wrap(fraction, wrapped);
    const int64_t home = frame * grid.most_cells + geometry.Number(geometry.PlaceOf(fraction).cell);
    grid.home[atom] = home;
    grid.seat[atom] = AtomicAdd(grid.counts + home, 1);
  }
};

// Brings the atoms into the order of their cells.
template <typename T>
struct FillCells {
  DeviceGrid<T> grid;

  DEEPATTN_DEVICE void operator()(int64_t atom) const {
    const int64_t home = grid.home[atom];
    if (home < 0) return;
    const int64_t slot = grid.begins[home] + grid.seat[atom];
    grid.members[slot] = static_cast<int32_t>(atom % grid.nall);
    for (int k = 0; k < 3; ++k) grid.sorted[3 * slot + k] = grid.wrapped[3 * atom + k];
  }
};

template <typename T>
void BuildGrid(Queue* queue, const DeviceGrid<T>& grid, const deepattn_env_mat_shape& shape,
               const T* coord, const int32_t* atype, const T* box, deepattn_cuda_problem* problem,
               int32_t* broken) {
  const int64_t atoms = shape.nframes * shape.nall, cells = shape.nframes * grid.most_cells;
  if (box == nullptr) {
    queue->Clear(grid.bounds, 0xff, 6 * shape.nframes * sizeof(*grid.bounds));
    queue->Launch(shape.nframes * FindBounds<T>::Stretches(shape.nall), 0,
                  FindBounds<T>{grid, coord, atype});
  }
  queue->Each(shape.nframes, SetGeometry<T>{grid, box, shape.rcut, problem, broken});
  queue->Clear(grid.counts, 0, cells * sizeof(*grid.counts));
  queue->Each(atoms, SeatAtoms<T>{grid, coord, atype, problem, broken});
  ExclusiveScan(queue, grid.counts, cells, grid.begins, grid.sums);
  queue->Each(atoms, FillCells<T>{grid});
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_DEVICE_GRID_H_
