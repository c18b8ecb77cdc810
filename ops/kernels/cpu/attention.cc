#include "attention.h"

#include <algorithm>
#include <vector>

#include "attention/kernels.h"
#include "instruction_set.h"
#include "run_passes.h"

namespace deepattn {
namespace {

template <typename T>
const AttentionKernels<T>& Kernels() {
  const AttentionTable* tables[kInstructionSets] = {&kAttentionGeneric};
#if defined(__x86_64__)
  tables[kAvx2] = &kAttentionAvx2;
  tables[kAvx512] = &kAttentionAvx512;
#endif
  const AttentionTable* table = tables[CurrentInstructionSet()];
  if constexpr (sizeof(T) == sizeof(float)) {
    return table->f32;
  } else {
    return table->f64;
  }
}

template <typename T>
void Check(const typename AttentionTypes<T>::Inputs& inputs, const T* kept, FirstError* error) {
  const deepattn_attention_shape& shape = inputs.shape;
  for (int64_t i = 0; i < shape.natoms && error->ok(); ++i) {
    if (inputs.count[i] < 0 || inputs.count[i] > shape.nnei) {
      error->Report(i, DEEPATTN_INVALID_ARGUMENT, "count of atom %lld is %d, but it has %lld slots",
                    static_cast<long long>(i), static_cast<int>(inputs.count[i]),
                    static_cast<long long>(shape.nnei));
    }
  }
  if (reinterpret_cast<uintptr_t>(kept) % 64 != 0) {
    error->Report(-1, DEEPATTN_INVALID_ARGUMENT, "what the forward pass kept is not aligned");
  }
  if (!(inputs.padding >= 0)) {
    error->Report(-1, DEEPATTN_INVALID_ARGUMENT, "padding is %g, but must not be negative",
                  static_cast<double>(inputs.padding));
  }
}

// How many numbers are kept; where those of each atom begin goes to `offset` unless that is null.
template <typename T>
int64_t Keep(const typename AttentionTypes<T>::Inputs& inputs, int64_t* offset) {
  const deepattn_attention_shape& shape = inputs.shape;
  int64_t total = 0;
  for (int64_t i = 0; i < shape.natoms; ++i) {
    if (offset != nullptr) offset[i] = total;
    const int64_t count = std::clamp<int64_t>(inputs.count[i], 0, shape.nnei);
    total += Kernels<T>().kept_size(&shape, count);
  }
  return total;
}

// A rough time for one atom: forward it is multiplied with 4 width + 2 nnei columns.
int64_t Cost(const deepattn_attention_shape& shape, int order) {
  constexpr int64_t kTimes[] = {1, 3, 6};
  constexpr int64_t kPerNanosecond = 16;
  return kTimes[order] * shape.nnei * shape.attn * (4 * shape.width + 2 * shape.nnei) /
             kPerNanosecond +
         1;
}

template <typename T>
void Run(AttentionCall<T> call, int order, const typename AttentionTypes<T>::Sums* sums,
         const deepattn_threads& threads, deepattn_status* status) {
  Guard(status, [&] {
    const deepattn_attention_shape& shape = call.inputs->shape;
    FirstError error(status);
    Check<T>(*call.inputs, call.kept, &error);
    if (!error.ok()) return;
    std::vector<int64_t> offset(shape.natoms);
    Keep<T>(*call.inputs, offset.data());
    call.kept_offset = offset.data();
    RunPasses<T>(Kernels<T>(), call, order, shape.natoms, Cost(shape, order), sums, threads,
                 &error);
  });
}

template <typename T>
void RunGemm(int64_t m, int64_t n, int64_t k, const T* a, const T* b, T* c,
             deepattn_status* status) {
  Guard(status, [&] {
    const AttentionKernels<T>& kernels = Kernels<T>();
    const ScratchArray<T> scratch(kernels.gemm_size(m, n, k));
    kernels.gemm(m, n, k, a, b, c, scratch.get());
  });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_ATTENTION(T, suffix)                                                     \
  int64_t deepattn_attention_kept_##suffix(const deepattn_attention_inputs_##suffix* inputs) {   \
    return deepattn::Keep<T>(*inputs, nullptr);                                                  \
  }                                                                                              \
  void deepattn_attention_##suffix(const deepattn_attention_inputs_##suffix* inputs, T* output,  \
                                   T* kept, const deepattn_threads* threads,                     \
                                   deepattn_status* status) {                                    \
    deepattn::AttentionCall<T> call = {};                                                        \
    call.inputs = inputs;                                                                        \
    call.kept = kept;                                                                            \
    call.out = output;                                                                           \
    deepattn::Run<T>(call, 0, nullptr, *threads, status);                                        \
  }                                                                                              \
  void deepattn_attention_grad_##suffix(                                                         \
      const deepattn_attention_inputs_##suffix* inputs, const T* kept, const T* grad,            \
      T* grad_embedding, T* grad_direction, T* grad_weight,                                      \
      const deepattn_attention_sums_##suffix* sums, const deepattn_threads* threads,             \
      deepattn_status* status) {                                                                 \
    deepattn::AttentionCall<T> call = {};                                                        \
    call.inputs = inputs;                                                                        \
    call.kept = const_cast<T*>(kept);                                                            \
    call.grad = grad;                                                                            \
    call.out_embedding = grad_embedding;                                                         \
    call.out_direction = grad_direction;                                                         \
    call.out_weight = grad_weight;                                                               \
    deepattn::Run<T>(call, 1, sums, *threads, status);                                           \
  }                                                                                              \
  void deepattn_attention_grad_grad_##suffix(                                                    \
      const deepattn_attention_inputs_##suffix* inputs, const T* kept, const T* grad,            \
      const T* bar_embedding, const T* bar_direction, const T* bar_weight, T* out_grad,          \
      T* out_embedding, T* out_direction, T* out_weight,                                         \
      const deepattn_attention_sums_##suffix* sums, const deepattn_threads* threads,             \
      deepattn_status* status) {                                                                 \
    deepattn::AttentionCall<T> call = {};                                                        \
    call.inputs = inputs;                                                                        \
    call.kept = const_cast<T*>(kept);                                                            \
    call.grad = grad;                                                                            \
    call.bar_embedding = bar_embedding;                                                          \
    call.bar_direction = bar_direction;                                                          \
    call.bar_weight = bar_weight;                                                                \
    call.out = out_grad;                                                                         \
    call.out_embedding = out_embedding;                                                          \
    call.out_direction = out_direction;                                                          \
    call.out_weight = out_weight;                                                                \
    deepattn::Run<T>(call, 2, sums, *threads, status);                                           \
  }                                                                                              \
  void deepattn_attention_gemm_##suffix(int64_t m, int64_t n, int64_t k, const T* a, const T* b, \
                                        T* c, deepattn_status* status) {                         \
    deepattn::RunGemm<T>(m, n, k, a, b, c, status);                                              \
  }

DEEPATTN_DEFINE_ATTENTION(float, f32)
DEEPATTN_DEFINE_ATTENTION(double, f64)
