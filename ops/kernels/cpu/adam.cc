#include "adam.h"

#include <algorithm>
#include <vector>

#include "adam/kernels.h"
#include "instruction_set.h"
#include "parallel.h"

namespace deepattn {
namespace {

constexpr const AdamTable* kTables[kInstructionSets] = {
    &kAdamGeneric,
#if defined(__x86_64__)
    &kAdamAvx2,
    &kAdamAvx512,
#endif
};

// Numbers that one thread takes at a time.
constexpr int64_t kBlock = 8192;

template <typename T>
void Run(const AdamStep<T>& step, const deepattn_threads& threads, deepattn_status* status) {
  struct Block {
    int64_t tensor, begin, end;
  };
  Guard(status, [&] {
    FirstError error(status);
    std::vector<Block> blocks;
    for (int64_t k = 0; k < step.ntensors; ++k) {
      const int64_t size = step.tensors[k].size;
      for (int64_t i = 0; i < size; i += kBlock) {
        blocks.push_back({k, i, std::min(i + kBlock, size)});
      }
    }
    const AdamKernels<T>& kernels = CurrentKernels<T>(kTables);
    ParallelFor(threads, blocks.size(), kBlock, &error, [&] {
      return [&](int64_t b) {
        const Block& block = blocks[b];
        kernels.move(&step, &step.tensors[block.tensor], block.begin, block.end);
        return true;
      };
    });
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_adam_f32(const deepattn::AdamStep<float>* step, const deepattn_threads* threads,
                       deepattn_status* status) {
  deepattn::Run(*step, *threads, status);
}

void deepattn_adam_f64(const deepattn::AdamStep<double>* step, const deepattn_threads* threads,
                       deepattn_status* status) {
  deepattn::Run(*step, *threads, status);
}
