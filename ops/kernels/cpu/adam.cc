#include "adam.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "parallel.h"

namespace deepattn {
namespace {

// Numbers that one thread takes at a time.
constexpr int64_t kBlock = 8192;

template <typename T>
void MoveWeights(const AdamStep<T>& step, const AdamTensor<T>& tensor, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    T weight = tensor.weight[i], grad = tensor.grad[i];
    if (step.decay != 0) weight -= step.decay * weight;
    if (step.l2 != 0) grad += step.l2 * weight;
    const T first = tensor.first[i] + (grad - tensor.first[i]) * step.left_of_beta_1;
    const T second = tensor.second[i] + (grad * grad - tensor.second[i]) * step.left_of_beta_2;
    tensor.new_first[i] = first;
    tensor.new_second[i] = second;
    tensor.new_weight[i] =
        weight - first * step.rate / (std::sqrt(second / step.left) + step.epsilon);
  }
}

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
    ParallelFor(threads, blocks.size(), 2 * kBlock, &error, [&] {
      return [&](int64_t b) {
        const Block& block = blocks[b];
        MoveWeights(step, step.tensors[block.tensor], block.begin, block.end);
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
