#include "attention.h"

#include <algorithm>
#include <vector>

#include "attention/kernels.h"
#include "instruction_set.h"
#include "run_passes.h"

namespace deepattn {
namespace {

constexpr const AttentionTable* kTables[kInstructionSets] = {
    &kAttentionGeneric,
#if defined(__x86_64__)
    &kAttentionAvx2,
    &kAttentionAvx512,
#endif
};

template <typename T>
void Check(const PackedAttentionCall<T>& call, FirstError* error) {
  for (int64_t i = 0; i < call.shape.natoms && error->ok(); ++i) {
    if (call.count[i] < 0 || call.count[i] > call.shape.nnei) {
      error->Report(i, DEEPATTN_INVALID_ARGUMENT, "count of atom %lld is %d, but it has %lld slots",
                    static_cast<long long>(i), static_cast<int>(call.count[i]),
                    static_cast<long long>(call.shape.nnei));
    }
  }
  for (const T* array : {call.saved, call.saved_tangents}) {
    if (reinterpret_cast<uintptr_t>(array) % 64 != 0) {
      error->Report(-1, DEEPATTN_INVALID_ARGUMENT, "what an earlier pass left is not aligned");
    }
  }
  if (!(call.padding >= 0)) {
    error->Report(-1, DEEPATTN_INVALID_ARGUMENT, "padding is %g, but must not be negative",
                  static_cast<double>(call.padding));
  }
}

// The sum of an array's sizes of all atoms, such as `saved_size`; where each atom's part begins
// goes to `offset` unless that is null.
template <typename T>
int64_t AddSizes(const AttentionCall<T>& call,
                 int64_t (*AttentionKernels<T>::*size)(const deepattn_attention_shape*, int64_t),
                 int64_t* offset) {
  const auto size_of = CurrentKernels<T>(kTables).*size;
  int64_t total = 0;
  for (int64_t i = 0; i < call.shape.natoms; ++i) {
    if (offset != nullptr) offset[i] = total;
    total += size_of(&call.shape, std::clamp<int64_t>(call.count[i], 0, call.shape.nnei));
  }
  return total;
}

// A rough time for one atom: forward it is multiplied with 4 width + 2 nnei columns.
int64_t Cost(const deepattn_attention_shape& shape, int pass) {
  constexpr int64_t kTimes[] = {1, 2, 2, 5};
  constexpr int64_t kPerNanosecond = 16;
  return kTimes[pass] * shape.nnei * shape.attn * (4 * shape.width + 2 * shape.nnei) /
             kPerNanosecond +
         1;
}

template <typename T>
void Run(PackedAttentionCall<T> call, int pass, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    Check(call, &error);
    if (!error.ok()) return;
    std::vector<int64_t> saved_offset(call.shape.natoms), saved_tangents_offset(call.shape.natoms);
    AddSizes<T>(call, &AttentionKernels<T>::saved_size, saved_offset.data());
    AddSizes<T>(call, &AttentionKernels<T>::saved_tangents_size, saved_tangents_offset.data());
    call.saved_offset = saved_offset.data();
    call.saved_tangents_offset = saved_tangents_offset.data();
    RunPasses<T>(CurrentKernels<T>(kTables), call, pass, call.shape.natoms, Cost(call.shape, pass),
                 threads, &error);
  });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_ATTENTION(T, suffix)                                                   \
  int64_t deepattn_attention_saved_##suffix(const deepattn::AttentionCall<T>* call) {          \
    return deepattn::AddSizes<T>(*call, &deepattn::AttentionKernels<T>::saved_size, nullptr);  \
  }                                                                                            \
  int64_t deepattn_attention_saved_tangents_##suffix(const deepattn::AttentionCall<T>* call) { \
    return deepattn::AddSizes<T>(*call, &deepattn::AttentionKernels<T>::saved_tangents_size,   \
                                 nullptr);                                                     \
  }                                                                                            \
  void deepattn_attention_##suffix(const deepattn::AttentionCall<T>* call, int pass,           \
                                   const deepattn_threads* threads, deepattn_status* status) { \
    deepattn::Run<T>({*call, nullptr, nullptr, nullptr}, pass, *threads, status);              \
  }

DEEPATTN_DEFINE_ATTENTION(float, f32)
DEEPATTN_DEFINE_ATTENTION(double, f64)
