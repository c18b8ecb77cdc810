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
void Check(const PackedEmbeddingCall<T>& call, FirstError* error) {
  const auto check = [&](int64_t number, const char* what) {
    for (int64_t r = 0; r < call.shape.nrows && number > 0 && error->ok(); ++r) {
      if (call.index[r] >= 0 && call.index[r] < number) continue;
      error->Report(r, DEEPATTN_INVALID_ARGUMENT, "index of row %lld is %d, but there are %lld %s",
                    static_cast<long long>(r), static_cast<int>(call.index[r]),
                    static_cast<long long>(number), what);
    }
  };
  check(call.shape.nfactors, "factors");
  check(call.shape.noffsets, "offsets");
}

// A rough time for one block, in nanoseconds.
int64_t Cost(const deepattn_pair_embedding_shape& shape, int pass) {
  constexpr int64_t kTimes[] = {1, 3, 6};
  constexpr int64_t kPerNanosecond = 16, kTanh = 16;
  int64_t products = 0;
  for (int64_t k = 0; k < shape.nlayers; ++k) {
    products += (shape.width[k] + kTanh) * shape.width[k + 1];
  }
  return kTimes[pass] * kBlockRows * products / kPerNanosecond + 1;
}

template <typename T>
void Run(const PackedEmbeddingCall<T>& call, int pass, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    Check(call, &error);
    if (!error.ok()) return;
    RunPasses<T>(CurrentKernels<T>(kTables), call, pass,
                 (call.shape.nrows + kBlockRows - 1) / kBlockRows, Cost(call.shape, pass), threads,
                 &error);
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_pair_embedding_f32(const deepattn::EmbeddingCall<float>* call, int pass,
                                 const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>({*call, nullptr}, pass, *threads, status);
}

void deepattn_pair_embedding_f64(const deepattn::EmbeddingCall<double>* call, int pass,
                                 const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>({*call, nullptr}, pass, *threads, status);
}
