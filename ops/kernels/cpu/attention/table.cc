// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

template <typename T>
void ForwardPass(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighborhood<T>(*call, atom, kForward, scratch).Forward();
}

template <typename T>
void BackwardPass(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighborhood<T>(*call, atom, kBackward, scratch).Backward(sums);
}

template <typename T>
void TangentPass(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T*) {
  Neighborhood<T>(*call, atom, kTangent, scratch).Tangent();
}

template <typename T>
void ReversePass(const PackedAttentionCall<T>* call, int64_t atom, T* scratch, T* sums) {
  Neighborhood<T>(*call, atom, kReverse, scratch).Reverse(sums);
}

template <typename T>
constexpr deepattn::AttentionKernels<T> kKernels = {
    PackedSize<T>,        Pack<T>,
    ScratchSize<T>,       SavedSize<T>,
    SavedTangentsSize<T>, {ForwardPass<T>, BackwardPass<T>, TangentPass<T>, ReversePass<T>},
    SumsSize<T>,          WriteSums<T>,
};

}  // namespace

namespace deepattn {

const AttentionTable DEEPATTN_TABLE(kAttention) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
