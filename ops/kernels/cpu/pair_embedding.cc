#include "pair_embedding.h"

#include "instruction_set.h"
#include "pair_embedding/kernels.h"
#include "run_passes.h"

namespace deepattn {
namespace {

template <typename T>
const EmbeddingKernels<T>& Kernels() {
  const EmbeddingTable* tables[kInstructionSets] = {&kEmbeddingGeneric};
#if defined(__x86_64__)
  tables[kAvx2] = &kEmbeddingAvx2;
  tables[kAvx512] = &kEmbeddingAvx512;
#endif
  const EmbeddingTable* table = tables[CurrentInstructionSet()];
  if constexpr (sizeof(T) == sizeof(float)) {
    return table->f32;
  } else {
    return table->f64;
  }
}

template <typename T>
void Check(const typename EmbeddingTypes<T>::Inputs& inputs, FirstError* error) {
  const deepattn_pair_embedding_shape& shape = inputs.shape;
  if (shape.nfactors == 0) return;
  for (int64_t r = 0; r < shape.nrows && error->ok(); ++r) {
    if (inputs.index[r] < 0 || inputs.index[r] >= shape.nfactors) {
      error->Report(r, DEEPATTN_INVALID_ARGUMENT,
                    "index of row %lld is %d, but there are %lld factors",
                    static_cast<long long>(r), static_cast<int>(inputs.index[r]),
                    static_cast<long long>(shape.nfactors));
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
void Run(EmbeddingCall<T> call, int order, const typename EmbeddingTypes<T>::Sums* sums,
         const deepattn_threads& threads, deepattn_status* status) {
  Guard(status, [&] {
    const deepattn_pair_embedding_shape& shape = call.inputs->shape;
    FirstError error(status);
    Check<T>(*call.inputs, &error);
    if (!error.ok()) return;
    RunPasses<T>(Kernels<T>(), call, order, (shape.nrows + kBlockRows - 1) / kBlockRows,
                 Cost(shape, order), sums, threads, &error);
  });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_PAIR_EMBEDDING(T, suffix)                                               \
  void deepattn_pair_embedding_##suffix(const deepattn_pair_embedding_inputs_##suffix* inputs,  \
                                        T* output, const deepattn_threads* threads,             \
                                        deepattn_status* status) {                              \
    deepattn::EmbeddingCall<T> call = {};                                                       \
    call.inputs = inputs;                                                                       \
    call.out = output;                                                                          \
    deepattn::Run<T>(call, 0, nullptr, *threads, status);                                       \
  }                                                                                             \
  void deepattn_pair_embedding_grad_##suffix(                                                   \
      const deepattn_pair_embedding_inputs_##suffix* inputs, const T* grad, T* grad_input,      \
      T* grad_weight, const deepattn_pair_embedding_sums_##suffix* sums,                        \
      const deepattn_threads* threads, deepattn_status* status) {                               \
    deepattn::EmbeddingCall<T> call = {};                                                       \
    call.inputs = inputs;                                                                       \
    call.grad = grad;                                                                           \
    call.out_input = grad_input;                                                                \
    call.out_weight = grad_weight;                                                              \
    deepattn::Run<T>(call, 1, sums, *threads, status);                                          \
  }                                                                                             \
  void deepattn_pair_embedding_grad_grad_##suffix(                                              \
      const deepattn_pair_embedding_inputs_##suffix* inputs, const T* grad, const T* bar_input, \
      const T* bar_weight, T* out_grad, T* out_input, T* out_weight,                            \
      const deepattn_pair_embedding_sums_##suffix* sums, const deepattn_threads* threads,       \
      deepattn_status* status) {                                                                \
    deepattn::EmbeddingCall<T> call = {};                                                       \
    call.inputs = inputs;                                                                       \
    call.grad = grad;                                                                           \
    call.bar_input = bar_input;                                                                 \
    call.bar_weight = bar_weight;                                                               \
    call.out = out_grad;                                                                        \
    call.out_input = out_input;                                                                 \
    call.out_weight = out_weight;                                                               \
    deepattn::Run<T>(call, 2, sums, *threads, status);                                          \
  }

DEEPATTN_DEFINE_PAIR_EMBEDDING(float, f32)
DEEPATTN_DEFINE_PAIR_EMBEDDING(double, f64)
