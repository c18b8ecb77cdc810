// Sums over pairs that land on the neighbor: the same bits whatever the number of threads.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SCATTER_H_
#define DEEPATTN_OPS_KERNELS_CPU_SCATTER_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/common/pair_derivative.h"
#include "kernels/common/pairs.h"
#include "parallel.h"

namespace deepattn {

// How many parts a frame's centers are summed in. It follows from the frame alone, so a frame's
// result depends neither on the threads nor on its batch.
inline int64_t CountParts(const deepattn_pairs& pairs) {
  constexpr int64_t kPairsPerPart = 1 << 14;
  constexpr int64_t kMostParts = 16;
  const int64_t parts = pairs.nloc * pairs.nnei / kPairsPerPart;
  return std::max<int64_t>(1, std::min({parts, kMostParts, pairs.nloc}));
}

// Reports at `unit` and returns false if a neighbor is no atom.
inline bool CheckNeighbor(int64_t unit, int64_t frame, int64_t center, int32_t neighbor,
                          int64_t nall, FirstError* error) {
  if (neighbor < nall) return true;
  error->Report(unit, DEEPATTN_INVALID_ARGUMENT,
                "frame %lld: nlist of atom %lld has entry %d, but there are only %lld atoms",
                static_cast<long long>(frame), static_cast<long long>(center), neighbor,
                static_cast<long long>(nall));
  return false;
}

// Fills out [nframes][nall][width]: add(unit, out_of_frame) adds what center unit = frame · nloc +
// i contributes to any row of its frame, or reports an error and returns false.
template <typename T, int width, typename Add>
void ScatterPairs(const deepattn_pairs& pairs, const deepattn_threads& threads, FirstError* error,
                  T* out, const Add& add) {
  const int64_t parts = CountParts(pairs);
  const int64_t size = pairs.nall * width;
  std::vector<T> partial(pairs.nframes * (parts - 1) * size);
  const int64_t cost = 12 * pairs.nnei * pairs.nloc / parts + size;
  ParallelFor(threads, pairs.nframes * parts, cost, error, [&] {
    return [&](int64_t job) {
      const int64_t frame = job / parts;
      const int64_t part = job % parts;
      T* sum = out + frame * size;
      if (part > 0) sum = partial.data() + (frame * (parts - 1) + part - 1) * size;
      std::fill_n(sum, size, T(0));
      const int64_t end = pairs.nloc * (part + 1) / parts;
      for (int64_t i = pairs.nloc * part / parts; i < end; ++i) {
        if (!add(frame * pairs.nloc + i, sum)) return false;
      }
      return true;
    };
  });
  if (!error->ok() || parts == 1) return;
  ParallelFor(threads, pairs.nframes * pairs.nall, parts * width, error, [&] {
    return [&](int64_t row) {
      const int64_t frame = row / pairs.nall;
      const int64_t offset = row % pairs.nall * width;
      for (int64_t part = 0; part < parts - 1; ++part) {
        const T* sum = partial.data() + (frame * (parts - 1) + part) * size + offset;
        for (int k = 0; k < width; ++k) out[row * width + k] += sum[k];
      }
      return true;
    };
  });
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_SCATTER_H_
