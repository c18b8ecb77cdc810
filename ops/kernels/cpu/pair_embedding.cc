#include "pair_embedding.h"

#include "instruction_set.h"
#include "pair_embedding/kernels.h"
#include "run_passes.h"

namespace deepattn {
namespace {

constexpr const EmbeddingTable* kTables[kInstructionSets] = {
    &kEmbeddingGeneric,
#if defined(__x86_64__)
    &kEmbeddingAvx2,
    &kEmbeddingAvx512,
#endif
};

template <typename T>
void Check(const EmbeddingCall<T>& call, FirstError* error) {
  if (call.shape.nfactors == 0) return;
  for (int64_t r = 0; r < call.shape.nrows && error->ok(); ++r) {
    if (call.index[r] < 0 || call.index[r] >= call.shape.nfactors) {
      error->Report(r, DEEPATTN_INVALID_ARGUMENT,
                    "index of row %lld is %d, but there are %lld factors",
                    static_cast<long long>(r), static_cast<int>(call.index[r]),
                    static_cast<long long>(call.shape.nfactors));
    }
  }
}

// A rough time for one block, in nanoseconds.
int64_t Cost(const deepattn_pair_embedding_shape& shape, int order) {
  constexpr int64_t kTimes[] = {1, 3, 6};
  constexpr int64_t kPerNanosecond = 16, kTanh = 16;
  int64_t products = 0;
  for (int64_t k = 0; k < shape.nlayers; ++k) {
    products += (shape.width[k] + kTanh) * shape.width[k + 1];
  }
  return kTimes[order] * kBlockRows * products / kPerNanosecond + 1;
}

template <typename T>
void Run(const EmbeddingCall<T>& call, int order, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    Check(call, &error);
    if (!error.ok()) return;
    RunPasses<T>(CurrentKernels<T>(kTables), call, order,
                 (call.shape.nrows + kBlockRows - 1) / kBlockRows, Cost(call.shape, order), threads,
                 &error);
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_pair_embedding_f32(const deepattn_pair_embedding_call_f32* call, int order,
                                 const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>({*call, nullptr}, order, *threads, status);
}

void deepattn_pair_embedding_f64(const deepattn_pair_embedding_call_f64* call, int order,
                                 const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>({*call, nullptr}, order, *threads, status);
}
