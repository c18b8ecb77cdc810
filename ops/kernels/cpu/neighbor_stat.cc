#include "neighbor_stat.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "check_frame.h"
#include "neighbor_grid.h"
#include "parallel.h"

namespace deepattn {
namespace {

template <typename T>
void NeighborStat(int64_t nframes, int64_t nloc, int32_t ntypes, float rcut, const T* coord,
                  const int32_t* atype, const T* box, T* min_dist2, int32_t* count,
                  const deepattn_threads& threads, deepattn_status* status) {
  FirstError error(status);
  std::vector<NeighborGrid<T>> grids(nframes);
  ParallelFor(threads, nframes, 40 * nloc, &error, [&] {
    return [&](int64_t frame) {
      const T* r = coord + frame * nloc * 3;
      const int32_t* type = atype + frame * nloc;
      const T* h = box + frame * 9;
      if (!CheckFrame(frame, nloc, ntypes, r, type, &error)) return false;
      const bool open = std::all_of(h, h + 9, [](T value) { return value == T(0); });
      const std::string sentence = grids[frame].Build(r, type, nloc, open ? nullptr : h, rcut);
      if (sentence.empty()) return true;
      error.Report(frame, DEEPATTN_INVALID_ARGUMENT, "frame %lld: %s",
                   static_cast<long long>(frame), sentence.c_str());
      return false;
    };
  });
  if (!error.ok() || nframes == 0) return;
  ParallelFor(threads, nframes * nloc, 3 * grids[0].cost(), &error, [&] {
    return [&, found = std::vector<Neighbor<T>>()](int64_t unit) mutable {
      const int64_t frame = unit / nloc;
      int32_t* counts = count + unit * ntypes;
      std::fill_n(counts, ntypes, 0);
      min_dist2[unit] = std::numeric_limits<T>::infinity();
      if (atype[unit] < 0) return true;
      found.clear();
      grids[frame].Find(unit % nloc, &found);
      for (const Neighbor<T>& n : found) {
        ++counts[atype[frame * nloc + n.atom]];
        const T r2 = n.d[0] * n.d[0] + n.d[1] * n.d[1] + n.d[2] * n.d[2];
        min_dist2[unit] = std::min(min_dist2[unit], r2);
      }
      return true;
    };
  });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_NEIGHBOR_STAT(T, suffix)                                                   \
  void deepattn_neighbor_stat_##suffix(int64_t nframes, int64_t nloc, int32_t ntypes, float rcut,  \
                                       const T* coord, const int32_t* atype, const T* box,         \
                                       T* min_dist2, int32_t* count,                               \
                                       const deepattn_threads* threads, deepattn_status* status) { \
    deepattn::Guard(status, [&] {                                                                  \
      deepattn::NeighborStat<T>(nframes, nloc, ntypes, rcut, coord, atype, box, min_dist2, count,  \
                                *threads, status);                                                 \
    });                                                                                            \
  }

DEEPATTN_DEFINE_NEIGHBOR_STAT(float, f32)
DEEPATTN_DEFINE_NEIGHBOR_STAT(double, f64)
