// Rᵀ G of an atom: sums over its slots, four for each function of the tables.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_CONTRACTION_H_
#define DEEPATTN_OPS_KERNELS_CUDA_CONTRACTION_H_

#include "block.h"
#include "kernels/common/tabulated.h"

namespace deepattn {

constexpr int kContractThreads = 128;
constexpr int64_t kSlots = 128;  // whose intervals are found at once

// Threads have a function each; where there are few functions, some share the slots.
template <typename T>
class Contraction {
 public:
  DEEPATTN_BOTH Contraction(Memory* memory, int64_t width)
      : width_(width),
        most_(width < kContractThreads ? width : kContractThreads),
        groups_(kContractThreads / ((width + kWarp - 1) / kWarp * kWarp)) {
    if (groups_ < 1) groups_ = 1;
    partial_ = memory->Take<T>(groups_ * most_ * kColumns);
  }

  // Slots are taken a few at a time: find(j0, j) prepares number j of those from j0 on, and
  // add(j0, j, k, &sums) adds its share of function k. put(c, k, sum) gets the sums.
  template <typename Find, typename Add, typename Put>
  DEEPATTN_DEVICE void Run(const Block& block, int64_t slots, const Find& find, const Add& add,
                           const Put& put) const {
    for (int64_t k0 = 0; k0 < width_; k0 += most_) {
      const int64_t here = width_ - k0 < most_ ? width_ - k0 : most_;
      block.Each(groups_ * here * kColumns, [&](int64_t item) { partial_[item] = 0; });
      for (int64_t j0 = 0; j0 < slots; j0 += kSlots) {
        const int64_t n = slots - j0 < kSlots ? slots - j0 : kSlots;
        block.Each(n, [&](int64_t j) { find(j0, j); });
        block.Each(groups_ * here, [&](int64_t item) {
          const int64_t group = item / here, k = k0 + item % here;
          Numbers<T, kColumns> sums = {};
          for (int64_t j = group; j < n; j += groups_) add(j0, j, k, &sums);
          for (int c = 0; c < kColumns; ++c) partial_[item * kColumns + c] += sums[c];
        });
      }
      block.Each(kColumns * here, [&](int64_t item) {
        const int64_t c = item / here, k = item % here;
        T sum = 0;
        for (int64_t g = 0; g < groups_; ++g) sum += partial_[(g * here + k) * kColumns + c];
        put(c, k0 + k, sum);
      });
    }
  }

 private:
  int64_t width_;
  int64_t most_;  // functions that are added up at once
  int64_t groups_;
  T* partial_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_CONTRACTION_H_
