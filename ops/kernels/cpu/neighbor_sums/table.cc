// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

// Calls `run` with the sums that the call has.
template <typename T, typename Run>
void WithSums(const IndexedNeighborSumsCall<T>* call, const Run& run) {
  if (call->factors == nullptr) {
    run(Sums<T, false, true>(*call));
  } else if (call->vectors == nullptr) {
    run(Sums<T, true, false>(*call));
  } else {
    run(Sums<T, true, true>(*call));
  }
}

template <typename T>
void ForwardPass(const IndexedNeighborSumsCall<T>* call, int64_t atom) {
  WithSums<T>(call, [&](const auto& sums) { sums.Forward(atom); });
}

template <typename T>
void BackwardPass(const IndexedNeighborSumsCall<T>* call, int64_t atom) {
  WithSums<T>(call, [&](const auto& sums) { sums.Backward(atom); });
}

template <typename T>
void DoubleBackwardPass(const IndexedNeighborSumsCall<T>* call, int64_t atom) {
  WithSums<T>(call, [&](const auto& sums) { sums.DoubleBackward(atom); });
}

template <typename T>
void BackwardRowPass(const IndexedNeighborSumsCall<T>* call, int64_t row) {
  WithSums<T>(call, [&](const auto& sums) { sums.BackwardRow(row); });
}

template <typename T>
void DoubleBackwardRowPass(const IndexedNeighborSumsCall<T>* call, int64_t row) {
  WithSums<T>(call, [&](const auto& sums) { sums.DoubleBackwardRow(row); });
}

template <typename T>
constexpr deepattn::NeighborSumsKernels<T> kKernels = {
    {ForwardPass<T>, BackwardPass<T>, DoubleBackwardPass<T>},
    {nullptr, BackwardRowPass<T>, DoubleBackwardRowPass<T>},
};

}  // namespace

namespace deepattn {

const NeighborSumsTable DEEPATTN_TABLE(kNeighborSums) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
