#include "neighbor_sums.h"

#include <vector>

#include "instruction_set.h"
#include "neighbor_sums/kernels.h"
#include "parallel.h"

namespace deepattn {
namespace {

constexpr const NeighborSumsTable* kTables[kInstructionSets] = {
    &kNeighborSumsGeneric,
#if defined(__x86_64__)
    &kNeighborSumsAvx2,
    &kNeighborSumsAvx512,
#endif
};

template <typename T>
void Check(const IndexedNeighborSumsCall<T>& call, FirstError* error) {
  const auto& shape = call.shape;
  for (int64_t k = 0; k < shape.natoms * shape.nnei && error->ok(); ++k) {
    if (call.index[k] < 0 || call.index[k] >= shape.nsources) {
      error->Report(k, DEEPATTN_INVALID_ARGUMENT,
                    "index of slot %lld of atom %lld is %d, but there are %lld rows of features",
                    static_cast<long long>(k % shape.nnei), static_cast<long long>(k / shape.nnei),
                    static_cast<int>(call.index[k]), static_cast<long long>(shape.nsources));
    }
  }
}

// Slots by the rows of the features that they have; those without weight are left out.
template <typename T>
void SortSlots(const IndexedNeighborSumsCall<T>& call, std::vector<int64_t>* begin,
               std::vector<int64_t>* slots) {
  const int64_t count = call.shape.natoms * call.shape.nnei;
  begin->assign(call.shape.nsources + 1, 0);
  for (int64_t k = 0; k < count; ++k) (*begin)[call.index[k] + 1] += call.weight[k] != T(0);
  for (int64_t r = 0; r < call.shape.nsources; ++r) (*begin)[r + 1] += (*begin)[r];
  slots->resize(begin->back());
  std::vector<int64_t> next(begin->begin(), begin->end() - 1);
  for (int64_t k = 0; k < count; ++k) {
    if (call.weight[k] != T(0)) (*slots)[next[call.index[k]]++] = k;
  }
}

template <typename T>
void Run(IndexedNeighborSumsCall<T> call, int pass, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    const auto& shape = call.shape;
    const auto& kernels = CurrentKernels<T>(kTables);
    if (call.index != nullptr) Check(call, &error);
    if (!error.ok()) return;
    // In nanoseconds: a few numbers are read and written in each of them.
    const int64_t cost = (1 + pass) * shape.nnei * shape.width / 2 + 1;
    ParallelFor(threads, shape.natoms, cost, &error, [&] {
      return [&](int64_t atom) {
        kernels.pass[pass](&call, atom);
        return true;
      };
    });
    if (call.index == nullptr || pass == kForward || !error.ok()) return;
    std::vector<int64_t> begin, slots;
    SortSlots(call, &begin, &slots);
    call.begin = begin.data();
    call.slots = slots.data();
    ParallelFor(threads, shape.nsources, cost * shape.natoms / (shape.nsources + 1) + 1, &error,
                [&] {
                  return [&](int64_t row) {
                    kernels.row[pass](&call, row);
                    return true;
                  };
                });
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_neighbor_sums_f32(const deepattn::NeighborSumsCall<float>* call, int pass,
                                const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>({*call, nullptr, nullptr}, pass, *threads, status);
}

void deepattn_neighbor_sums_f64(const deepattn::NeighborSumsCall<double>* call, int pass,
                                const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>({*call, nullptr, nullptr}, pass, *threads, status);
}
