// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

template <typename T>
void ForwardPass(const PackedPairAttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighborhood<T>(*call, atom, kForward, scratch).Forward();
}

template <typename T>
void BackwardPass(const PackedPairAttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighborhood<T>(*call, atom, kBackward, scratch).Backward(sums);
}

template <typename T>
void DoubleBackwardPass(const PackedPairAttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighborhood<T>(*call, atom, kDoubleBackward, scratch).DoubleBackward(sums);
}

template <typename T>
constexpr deepattn::PairAttentionKernels<T> kKernels = {
    PackedSize<T>,  Pack<T>,
    ScratchSize<T>, {ForwardPass<T>, BackwardPass<T>, DoubleBackwardPass<T>},
    SumsSize<T>,    WriteSums<T>,
};

}  // namespace

namespace deepattn {

const PairAttentionTable DEEPATTN_TABLE(kPairAttention) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
