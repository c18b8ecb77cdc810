// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

template <typename T, bool convolves, typename Run>
void WithColumns(const IndexedNeighborSumsCall<T>* call, const Run& run) {
  switch (call->vectors == nullptr ? 0 : call->shape.columns) {
    case 0:
      return run(Sums<T, convolves, 0>(*call));
    case 1:
      return run(Sums<T, convolves, 1>(*call));
    case 2:
      return run(Sums<T, convolves, 2>(*call));
    case 3:
      return run(Sums<T, convolves, 3>(*call));
    default:
      return run(Sums<T, convolves, deepattn::kMostVectorColumns>(*call));
  }
}

// Calls `run` with the sums that the call has.
template <typename T, typename Run>
void WithSums(const IndexedNeighborSumsCall<T>* call, const Run& run) {
  if (call->factors != nullptr) {
    WithColumns<T, true>(call, run);
  } else {
    WithColumns<T, false>(call, run);
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
