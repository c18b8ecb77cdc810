// Blocks that do one unit of work after the other in the same memory, and what they add up of all
// their units: gradients by parameters.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PERSISTENT_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PERSISTENT_H_

#include "launch.h"

namespace deepattn {

constexpr int64_t kBlocksAtOnce = 2;  // of a multiprocessor

// As many blocks as the device runs at once.
inline int64_t MostPersistentBlocks() {
  return std::max<int64_t>(Multiprocessors(), 1) * kBlocksAtOnce;
}

// Likewise, if there is work for them.
inline int64_t PersistentBlocks(int64_t units) { return std::min(units, MostPersistentBlocks()); }

// Of the workspace: numbers for every block, and their sums.
template <typename T>
struct BlocksMemory {
  int64_t blocks;
  T* memory;
  T* sums;  // null where they have no size

  BlocksMemory(int64_t blocks, int64_t size, int64_t sums_size, Memory* workspace)
      : blocks(blocks),
        memory(workspace->Take<T>(blocks * size)),
        sums(sums_size == 0 ? nullptr : workspace->Take<T>(blocks * sums_size)) {}
};

// A kernel of persistent blocks. Of is the arguments of unit(block, of, number), with members
// `sums` and `places.size`, the size of the sums of a block.
template <typename Of, typename Unit>
struct PersistentKernel {
  static constexpr int kThreads = 256;

  Of of;
  int64_t units;
  int64_t blocks;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    if (of.sums != nullptr) {
      auto* sums = of.sums + block.index() * of.places.size;
      block.Each(of.places.size, [&](int64_t i) { sums[i] = 0; });
    }
    for (int64_t unit = block.index(); unit < units; unit += blocks) Unit()(block, of, unit);
  }
};

// An array of gradients by parameters, as part of the sums of one block.
template <typename T>
struct SumPart {
  T* out;
  int64_t begin;
  int64_t size;
};

// Adds up the sums of all blocks in their order and writes item e of them out.
template <typename T, int most>
struct AddSums {
  SumPart<T> part[most];
  int parts;
  int64_t size;  // of the sums of a block
  int64_t blocks;
  const T* sums;

  DEEPATTN_DEVICE void operator()(int64_t item) const {
    T total = 0;
    for (int64_t block = 0; block < blocks; ++block) total += sums[block * size + item];
    for (int p = 0; p < parts; ++p) {
      const int64_t place = item - part[p].begin;
      if (place >= 0 && place < part[p].size) part[p].out[place] = total;
    }
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PERSISTENT_H_
