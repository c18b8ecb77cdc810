// The virial of each frame from those of its atoms.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_VIRIAL_SUMS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_VIRIAL_SUMS_H_

#include "kernels/common/pairs.h"
#include "launch.h"

namespace deepattn {

// Sums of a frame's rows of nine numbers, a stretch of rows by each block.
template <typename From, typename To>
struct AddRows {
  static constexpr int kThreads = 256;

  const From* rows;  // [nframes][n][9]
  int64_t n;
  int64_t stretch;
  To* sums;  // [nframes][ceil(n / stretch)][9]

  static int64_t Stretches(int64_t n, int64_t stretch) { return (n + stretch - 1) / stretch; }

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t stretches = (n + stretch - 1) / stretch;
    const int64_t frame = block.index() / stretches;
    const int64_t first = block.index() % stretches * stretch;
    const int64_t here = n - first < stretch ? n - first : stretch;
    const From* from = rows + 9 * (frame * n + first);
    const auto sum = block.Sum<double, 9>(here, [&](int64_t k, Numbers<double, 9>* to) {
      for (int c = 0; c < 9; ++c) (*to)[c] += static_cast<double>(from[9 * k + c]);
    });
    block.Each(1, [&](int64_t) {
      for (int k = 0; k < 9; ++k) sums[9 * block.index() + k] = static_cast<To>(sum[k]);
    });
  }
};

constexpr int64_t kVirialStretch = 4096;

// Numbers of the workspace that AddAtomVirials takes.
inline int64_t VirialSums(const deepattn_pairs& pairs) {
  return 9 * pairs.nframes * AddRows<double, double>::Stretches(pairs.nall, kVirialStretch);
}

template <typename T>
void AddAtomVirials(Queue* queue, int64_t nframes, int64_t nall, const T* atom_virial, double* sums,
                    T* virial) {
  const int64_t stretches = AddRows<T, double>::Stretches(nall, kVirialStretch);
  if (stretches == 0) return queue->Clear(virial, 0, 9 * nframes * sizeof(T));
  queue->Launch(nframes * stretches, 0,
                AddRows<T, double>{atom_virial, nall, kVirialStretch, sums});
  queue->Launch(nframes, 0, AddRows<double, T>{sums, stretches, stretches, virial});
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_VIRIAL_SUMS_H_
