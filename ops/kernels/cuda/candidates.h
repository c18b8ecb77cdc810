// The neighbors found around one atom, in no particular order, and their ranks in DeePMD's.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_CANDIDATES_H_
#define DEEPATTN_OPS_KERNELS_CUDA_CANDIDATES_H_

#include "device_grid.h"

namespace deepattn {

// A lattice translation in one number.
DEEPATTN_DEVICE int64_t PackImage(const int32_t* image) {
  constexpr int64_t kMost = 1 << 20;
  return ((image[0] + kMost) << 42) | ((image[1] + kMost) << 21) | (image[2] + kMost);
}

DEEPATTN_DEVICE void UnpackImage(int64_t packed, int32_t* image) {
  constexpr int64_t kMost = 1 << 20, kMask = (1 << 21) - 1;
  for (int d = 0; d < 3; ++d) {
    image[d] = static_cast<int32_t>((packed >> (42 - 21 * d) & kMask) - kMost);
  }
}

constexpr int64_t kHomeImage = (1LL << 62) | (1LL << 41) | (1LL << 20);

// One array each, of the same length.
struct Candidates {
  uint32_t* q;     // bits of the squared distance of the selection: ordered as it is
  int32_t* atom;   // -1: none
  int32_t* group;  // the block of slots
  int64_t* image;

  DEEPATTN_BOTH Candidates(Memory* memory, int64_t capacity)
      : q(memory->Take<uint32_t>(capacity)),
        atom(memory->Take<int32_t>(capacity)),
        group(memory->Take<int32_t>(capacity)),
        image(memory->Take<int64_t>(capacity)) {}

  DEEPATTN_DEVICE void Set(int64_t n, float distance, int32_t the_atom, int32_t the_group,
                           int64_t the_image) const {
    memcpy(q + n, &distance, sizeof(distance));
    atom[n] = the_atom;
    group[n] = the_group;
    image[n] = the_image;
  }

  DEEPATTN_DEVICE void Copy(int64_t n, const Candidates& from, int64_t k) const {
    q[n] = from.q[k];
    atom[n] = from.atom[k];
    group[n] = from.group[k];
    image[n] = from.image[k];
  }

  // How many of the first n come before number `item` in the slots of its group.
  template <bool grouped, typename T>
  DEEPATTN_DEVICE int64_t Rank(int64_t n, int64_t item, const DeviceGrid<T>* grid,
                               int64_t frame) const {
    const uint32_t own = q[item];
    const int32_t own_group = group[item];
    int64_t rank = 0;
    for (int64_t k = 0; k < n; ++k) {
      if (grouped && group[k] != own_group) continue;
      if (q[k] < own || (q[k] == own && k != item && Precedes(k, item, grid, frame))) ++rank;
    }
    return rank;
  }

 private:
  // Of two that are equally far: atoms before images, images by their cells. Without a grid all
  // are atoms. One that a list has twice comes twice.
  template <typename T>
  DEEPATTN_DEVICE bool Precedes(int64_t a, int64_t b, const DeviceGrid<T>* grid,
                                int64_t frame) const {
    const bool a_home = image[a] == kHomeImage, b_home = image[b] == kHomeImage;
    if (a_home != b_home) return a_home;
    if (!a_home) {
      const GridGeometry& geometry = grid->geometry[frame];
      const double* fraction = grid->fraction + 3 * frame * grid->nall;
      int32_t image_a[3], image_b[3];
      UnpackImage(image[a], image_a);
      UnpackImage(image[b], image_b);
      for (int d = 0; d < 3; ++d) {
        const int64_t cell_a = geometry.GhostCell(fraction + 3 * int64_t{atom[a]}, d, image_a[d]);
        const int64_t cell_b = geometry.GhostCell(fraction + 3 * int64_t{atom[b]}, d, image_b[d]);
        if (cell_a != cell_b) return cell_a < cell_b;
      }
    }
    return atom[a] != atom[b] ? atom[a] < atom[b] : a < b;
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_CANDIDATES_H_
