// Where each group begins in a list of all groups, from the numbers of their members.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_SCAN_H_
#define DEEPATTN_OPS_KERNELS_CUDA_SCAN_H_

#include "launch.h"

namespace deepattn {

// Numbers that a block adds up at once.
constexpr int64_t kScanBlock = 2048;

DEEPATTN_BOTH int64_t ScanBlocks(int64_t n) { return (n + kScanBlock - 1) / kScanBlock; }

// The counts of each block's stretch, added up.
struct ScanSums {
  static constexpr int kThreads = 256;

  const int32_t* counts;
  int64_t n;
  int64_t* sums;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t first = block.index() * kScanBlock;
    const int64_t here = n - first < kScanBlock ? n - first : kScanBlock;
    const auto sum = block.Sum<long long, 1>(
        here, [&](int64_t k, Numbers<long long, 1>* to) { (*to)[0] += counts[first + k]; });
    block.Each(1, [&](int64_t) { sums[block.index()] = sum[0]; });
  }
};

// One stretch after the other: begins[k] = before + Σ counts[0 … k-1]. A block takes kScanBlock
// numbers at once: each thread adds up its share, then the sums of shares are scanned.
template <typename Count>
struct ScanStretch {
  static constexpr int kThreads = 256;
  static constexpr int kShare = kScanBlock / kThreads;

  const Count* counts;
  int64_t n;
  const int64_t* before;  // of each block, or null: one block does it all
  int64_t* begins;        // [n + 1]; those of all blocks but the last end where the next begins

  DEEPATTN_BOTH static int64_t SharedBytes() {
    Memory memory(nullptr);
    memory.Take<int64_t>(2 * kThreads);
    return memory.used();
  }

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    int64_t* sums = block.Shared().Take<int64_t>(2 * kThreads);
    const int64_t begin = before == nullptr ? 0 : block.index() * kScanBlock;
    const int64_t most = before == nullptr ? n : begin + kScanBlock;
    const int64_t end = most < n ? most : n;
    int64_t base = before == nullptr ? 0 : before[block.index()];
    for (int64_t first = begin; first < end; first += kScanBlock) {
      const int64_t here = end - first < kScanBlock ? end - first : kScanBlock;
      block.Threads([&](int thread) {
        int64_t sum = 0;
        for (int64_t k = thread * kShare; k < (thread + 1) * kShare && k < here; ++k) {
          sum += static_cast<int64_t>(counts[first + k]);
        }
        sums[thread] = sum;
      });
      int half = 0;  // the sums of up to `far` threads are in this half
      for (int far = 1; far < kThreads; far *= 2, half = 1 - half) {
        const int64_t* from = sums + half * kThreads;
        int64_t* to = sums + (1 - half) * kThreads;
        block.Threads([&](int thread) {
          to[thread] = from[thread] + (thread >= far ? from[thread - far] : 0);
        });
      }
      const int64_t* upto = sums + half * kThreads;
      block.Threads([&](int thread) {
        int64_t sum = base + (thread > 0 ? upto[thread - 1] : 0);
        for (int64_t k = thread * kShare; k < (thread + 1) * kShare && k < here; ++k) {
          begins[first + k] = sum;
          sum += static_cast<int64_t>(counts[first + k]);
          if (first + k == n - 1) begins[n] = sum;
        }
      });
      base += block.Get(upto + kThreads - 1);
    }
  }
};

// begins[k] = Σ counts[0 … k-1] for k in [0, n]. `sums` has room for 2 · ScanBlocks(n) + 1 numbers.
inline void ExclusiveScan(Queue* queue, const int32_t* counts, int64_t n, int64_t* begins,
                          int64_t* sums) {
  if (n == 0) return queue->Clear(begins, 0, sizeof(int64_t));
  const int64_t blocks = ScanBlocks(n);
  int64_t* before = sums + blocks;
  queue->Launch(blocks, 0, ScanSums{counts, n, sums});
  queue->Launch(1, ScanStretch<int64_t>::SharedBytes(),
                ScanStretch<int64_t>{sums, blocks, nullptr, before});
  queue->Launch(blocks, ScanStretch<int32_t>::SharedBytes(),
                ScanStretch<int32_t>{counts, n, before, begins});
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_SCAN_H_
