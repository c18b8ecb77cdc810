#include "pair_attention.h"

#include "instruction_set.h"
#include "pair_attention/kernels.h"
#include "run_passes.h"

namespace deepattn {
namespace {

constexpr const PairAttentionTable* kTables[kInstructionSets] = {
    &kPairAttentionGeneric,
#if defined(__x86_64__)
    &kPairAttentionAvx2,
    &kPairAttentionAvx512,
#endif
};

// A rough time for one atom, in nanoseconds.
int64_t Cost(const deepattn_pair_attention_shape& shape, int pass) {
  constexpr int64_t kTimes[] = {1, 3, 6};
  constexpr int64_t kPerNanosecond = 16;
  return kTimes[pass] * shape.heads * shape.nnei * shape.width * 2 * (shape.width + shape.nnei) /
             kPerNanosecond +
         1;
}

template <typename T>
void Run(const PackedPairAttentionCall<T>& call, int pass, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    if (!(call.padding >= 0)) {
      error.Report(-1, DEEPATTN_INVALID_ARGUMENT, "padding is %g, but must not be negative",
                   static_cast<double>(call.padding));
      return;
    }
    RunPasses<T>(CurrentKernels<T>(kTables), call, pass, call.shape.natoms, Cost(call.shape, pass),
                 threads, &error);
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_pair_attention_f32(const deepattn::PairAttentionCall<float>* call, int pass,
                                 const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>({*call, nullptr}, pass, *threads, status);
}

void deepattn_pair_attention_f64(const deepattn::PairAttentionCall<double>* call, int pass,
                                 const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>({*call, nullptr}, pass, *threads, status);
}
