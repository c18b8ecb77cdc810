// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "kernels.h"
#include "kernels/common/square_root.h"
#include "kernels/cpu/simd/instruction_set.h"

namespace {

using deepattn::AdamStep;
using deepattn::AdamTensor;

// What is asked once, not for each number, leaves a loop that the compiler turns into vectors.
template <typename T, bool kDecay, bool kL2>
void MoveBy(const AdamStep<T>& step, const AdamTensor<T>& tensor, int64_t begin, int64_t end) {
  // A new number may take the place of the one that it is made of, but of no other.
#pragma GCC ivdep
  for (int64_t i = begin; i < end; ++i) {
    T weight = tensor.weight[i], grad = tensor.grad[i];
    if (kDecay) weight -= step.decay * weight;
    if (kL2) grad += step.l2 * weight;
    const T first = tensor.first[i] + (grad - tensor.first[i]) * step.left_of_beta_1;
    const T second = tensor.second[i] + (grad * grad - tensor.second[i]) * step.left_of_beta_2;
    tensor.new_first[i] = first;
    tensor.new_second[i] = second;
    tensor.new_weight[i] =
        weight - first * step.rate / (SquareRoot(second / step.left) + step.epsilon);
  }
}

template <typename T>
void Move(const AdamStep<T>* step, const AdamTensor<T>* tensor, int64_t begin, int64_t end) {
  const bool decay = step->decay != 0, l2 = step->l2 != 0;
  const auto move = decay ? (l2 ? MoveBy<T, true, true> : MoveBy<T, true, false>)
                          : (l2 ? MoveBy<T, false, true> : MoveBy<T, false, false>);
  move(*step, *tensor, begin, end);
}

template <typename T>
constexpr deepattn::AdamKernels<T> kKernels = {Move<T>};

}  // namespace

namespace deepattn {

const AdamTable DEEPATTN_TABLE(kAdam) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
