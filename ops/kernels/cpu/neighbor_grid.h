// The neighbors of every atom of one frame within a cutoff, in O(N): atoms sorted into cells.
#ifndef DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_GRID_H_
#define DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_GRID_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/common/grid_geometry.h"

namespace deepattn {

// A neighbor and the vector from the center to it.
template <typename T>
struct Neighbor {
  T d[3];
  float q;                       // squared distance as the selection sees it
  int32_t atom;                  // index of the atom the image belongs to
  std::array<int32_t, 3> image;  // lattice translation of the image
};

// Periodic images are never stored: an image is a cell index outside the box. The order DeePMD
// gives its ghost atoms (which decides between equidistant neighbors) is recomputed from the
// image.
template <typename T>
class NeighborGrid {
 public:
  // `box` is null for open boundaries. Atoms of negative type take no part. On failure returns a
  // sentence without its end ("box …"), else an empty string. Coordinates must be finite.
  std::string Build(const T* coord, const int32_t* atype, int64_t natoms, const T* box, float rcut);

  // Coordinates of an atom as the neighbors see it: wrapped into the box.
  const T* Position(int64_t atom) const { return &wrapped_[3 * atom]; }

  // Appends the neighbors of `center` to `found`, in no particular order.
  void Find(int64_t center, std::vector<Neighbor<T>>* found) const;

  // Whether a comes before b in DeePMD's numbering: local atoms, then ghosts cell by cell.
  bool Precedes(const Neighbor<T>& a, const Neighbor<T>& b) const;

  // Roughly how many distances Find computes.
  int64_t cost() const { return cost_; }

 private:
  void SetCost(int64_t natoms);

  GridGeometry geometry_;
  T rcut2_ = 0;
  float rcut2_f_ = 0;
  int64_t cost_ = 0;
  std::vector<T> wrapped_;        // [natoms][3]
  std::vector<double> fraction_;  // [natoms][3]
  std::vector<int64_t> start_;    // first slot of each cell
  std::vector<int32_t> members_;  // atoms by cell
  std::vector<T> sorted_;         // wrapped_ in the order of members_
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_GRID_H_
