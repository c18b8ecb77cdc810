// From neighbors to descriptors, a block of threads a center.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_DESCRIBE_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_DESCRIBE_H_

#include "center.h"

namespace deepattn {

template <typename F, typename T>
struct DescribeCenters {
  static constexpr int kThreads = kContractThreads;

  PotentialArguments<F, T> of;

  static int64_t SharedBytes(int64_t nblocks, int64_t width) {
    Memory memory(nullptr);
    memory.Take<PotentialRow<T>>(kSlots);
    const Contraction<T> contraction(&memory, width);
    return memory.used() + Center<F, T>::SharedBytes(nblocks);
  }

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t place = of.PlaceOf(block.index());
    if (place < 0) return;
    const int64_t number = of.first + block.index(), width = of.Width(), axis = of.call.axis;
    Memory memory = block.Shared();
    auto* rows = memory.Take<PotentialRow<T>>(kSlots);
    const Contraction<T> contraction(&memory, width);
    const Center<F, T> center(of, number, &memory);
    T* b = of.Contracted(place);
    contraction.Run(
        block, center.CountNeighbors(block) + of.nblocks,
        [&](int64_t j0, int64_t j) { rows[j] = center.Row(j0 + j); },
        [&](int64_t, int64_t j, int64_t k, Numbers<T, kColumns>* sums) {
          const TabulatedFunction<T> f(of.call.table_shape, rows[j].slot, k);
          for (int c = 0; c < kColumns; ++c) (*sums)[c] += rows[j].row[c] * (f.value * f.scale);
        },
        [&](int64_t c, int64_t k, T sum) { b[c * width + k] = sum / of.call.count; });
    T* descriptor = of.Descriptors(place).data;
    block.Each(width * axis, [&](int64_t item) {
      const int64_t i = item / axis, k = item % axis;
      T sum = 0;
      for (int c = 0; c < kColumns; ++c) sum += b[c * width + i] * b[c * width + k];
      descriptor[item] = sum;
    });
    block.Each(1, [&](int64_t) { of.center_at[place] = number; });
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_DESCRIBE_H_
