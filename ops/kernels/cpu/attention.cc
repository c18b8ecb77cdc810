#include "attention.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "attention/kernels.h"
#include "parallel.h"

namespace deepattn {
namespace {

// Parameter gradients are summed over this many atoms one after the other, then over these parts,
// of which there are no more than kMostParts: the result does not depend on the threads.
constexpr int64_t kAtomsPerPart = 8;
constexpr int64_t kMostParts = 64;

bool IsSupported(const AttentionInstructionSet* set) {
#if defined(__x86_64__)
  if (set == &kAttentionAvx512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
  if (set == &kAttentionAvx2) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  }
#endif
  return set == &kAttentionGeneric;
}

// From the best to the plainest.
const AttentionInstructionSet* const kInstructionSets[] = {
#if defined(__x86_64__)
    &kAttentionAvx512,
    &kAttentionAvx2,
#endif
    &kAttentionGeneric,
};

const AttentionInstructionSet* Best() {
  for (const AttentionInstructionSet* set : kInstructionSets) {
    if (IsSupported(set)) return set;
  }
  return &kAttentionGeneric;
}

std::atomic<const AttentionInstructionSet*>& Current() {
  static std::atomic<const AttentionInstructionSet*> current(Best());
  return current;
}

template <typename T>
const AttentionKernels<T>& Kernels() {
  const AttentionInstructionSet* set = Current().load();
  if constexpr (sizeof(T) == sizeof(float)) {
    return set->f32;
  } else {
    return set->f64;
  }
}

template <typename T>
struct Free {
  void operator()(T* block) const { std::free(block); }
};

template <typename T>
using Buffer = std::unique_ptr<T[], Free<T>>;

template <typename T>
Buffer<T> Allocate(int64_t size) {
  const size_t bytes = (size * sizeof(T) + 63) / 64 * 64;
  void* block = std::aligned_alloc(64, std::max<size_t>(bytes, 64));
  if (block == nullptr) throw std::bad_alloc();
  return Buffer<T>(static_cast<T*>(block));
}

template <typename T>
void Check(const typename AttentionTypes<T>::Inputs& inputs, FirstError* error) {
  const deepattn_attention_shape& shape = inputs.shape;
  for (int64_t i = 0; i < shape.natoms && error->ok(); ++i) {
    if (inputs.count[i] < 0 || inputs.count[i] > shape.nnei) {
      error->Report(i, DEEPATTN_INVALID_ARGUMENT, "count of atom %lld is %d, but it has %lld slots",
                    static_cast<long long>(i), static_cast<int>(inputs.count[i]),
                    static_cast<long long>(shape.nnei));
    }
  }
  if (!(inputs.padding >= 0)) {
    error->Report(-1, DEEPATTN_INVALID_ARGUMENT, "padding is %g, but must not be negative",
                  static_cast<double>(inputs.padding));
  }
}

// A rough time for one atom: forward it is multiplied with 4 width + 2 nnei columns.
int64_t Cost(const deepattn_attention_shape& shape, int order) {
  constexpr int64_t kTimes[] = {1, 3, 6};
  constexpr int64_t kPerNanosecond = 16;
  return kTimes[order] * shape.nnei * shape.attn * (4 * shape.width + 2 * shape.nnei) /
             kPerNanosecond +
         1;
}

// Runs the pass of an order over all atoms.
template <typename T>
void Run(AttentionCall<T> call, int order, const typename AttentionTypes<T>::Sums* out_sums,
         const deepattn_threads& threads, deepattn_status* status) {
  Guard(status, [&] {
    const deepattn_attention_shape& shape = call.inputs->shape;
    const AttentionKernels<T>& kernels = Kernels<T>();
    FirstError error(status);
    Check<T>(*call.inputs, &error);
    if (!error.ok()) return;
    const Buffer<T> packed = Allocate<T>(kernels.packed_size(&shape));
    kernels.pack(call.inputs, packed.get());
    call.packed = packed.get();
    const int64_t scratch_size = kernels.scratch_size(&shape, order);
    const int64_t cost = Cost(shape, order);
    if (out_sums == nullptr) {
      ParallelFor(threads, shape.natoms, cost, &error, [&] {
        return [&, scratch = Allocate<T>(scratch_size)](int64_t atom) {
          kernels.pass[order](&call, atom, scratch.get(), nullptr);
          return true;
        };
      });
      return;
    }
    const int64_t parts =
        std::clamp<int64_t>((shape.natoms + kAtomsPerPart - 1) / kAtomsPerPart, 1, kMostParts);
    const int64_t sums_size = kernels.sums_size(&shape);
    const Buffer<T> sums = Allocate<T>(parts * sums_size);
    ParallelFor(threads, parts, cost * shape.natoms / parts + 1, &error, [&] {
      return [&, scratch = Allocate<T>(scratch_size)](int64_t part) {
        T* sum = sums.get() + part * sums_size;
        std::memset(sum, 0, sums_size * sizeof(T));
        const int64_t end = shape.natoms * (part + 1) / parts;
        for (int64_t atom = shape.natoms * part / parts; atom < end; ++atom) {
          kernels.pass[order](&call, atom, scratch.get(), sum);
        }
        return true;
      };
    });
    if (error.ok()) kernels.write_sums(&shape, sums.get(), parts, out_sums);
  });
}

template <typename T>
void RunGemm(int64_t m, int64_t n, int64_t k, const T* a, const T* b, T* c,
             deepattn_status* status) {
  Guard(status, [&] {
    const AttentionKernels<T>& kernels = Kernels<T>();
    const Buffer<T> scratch = Allocate<T>(kernels.gemm_size(m, n, k));
    kernels.gemm(m, n, k, a, b, c, scratch.get());
  });
}

}  // namespace
}  // namespace deepattn

int deepattn_attention_use(const char* instruction_set) {
  using namespace deepattn;
  if (instruction_set == nullptr) {
    Current() = Best();
    return 1;
  }
  for (const AttentionInstructionSet* set : kInstructionSets) {
    if (std::strcmp(set->name, instruction_set) == 0 && IsSupported(set)) {
      Current() = set;
      return 1;
    }
  }
  return 0;
}

#define DEEPATTN_DEFINE_ATTENTION(T, suffix)                                                       \
  void deepattn_attention_##suffix(const deepattn_attention_inputs_##suffix* inputs, T* output,    \
                                   T* normalized, T* inverse_std, const deepattn_threads* threads, \
                                   deepattn_status* status) {                                      \
    deepattn::AttentionCall<T> call = {};                                                          \
    call.inputs = inputs;                                                                          \
    call.normalized = normalized;                                                                  \
    call.inverse_std = inverse_std;                                                                \
    call.out = output;                                                                             \
    deepattn::Run<T>(call, 0, nullptr, *threads, status);                                          \
  }                                                                                                \
  void deepattn_attention_grad_##suffix(                                                           \
      const deepattn_attention_inputs_##suffix* inputs, const T* normalized, const T* inverse_std, \
      const T* grad, T* grad_embedding, T* grad_direction, T* grad_weight,                         \
      const deepattn_attention_sums_##suffix* sums, const deepattn_threads* threads,               \
      deepattn_status* status) {                                                                   \
    deepattn::AttentionCall<T> call = {};                                                          \
    call.inputs = inputs;                                                                          \
    call.normalized = const_cast<T*>(normalized);                                                  \
    call.inverse_std = const_cast<T*>(inverse_std);                                                \
    call.grad = grad;                                                                              \
    call.out_embedding = grad_embedding;                                                           \
    call.out_direction = grad_direction;                                                           \
    call.out_weight = grad_weight;                                                                 \
    deepattn::Run<T>(call, 1, sums, *threads, status);                                             \
  }                                                                                                \
  void deepattn_attention_grad_grad_##suffix(                                                      \
      const deepattn_attention_inputs_##suffix* inputs, const T* normalized, const T* inverse_std, \
      const T* grad, const T* bar_embedding, const T* bar_direction, const T* bar_weight,          \
      T* out_grad, T* out_embedding, T* out_direction, T* out_weight,                              \
      const deepattn_attention_sums_##suffix* sums, const deepattn_threads* threads,               \
      deepattn_status* status) {                                                                   \
    deepattn::AttentionCall<T> call = {};                                                          \
    call.inputs = inputs;                                                                          \
    call.normalized = const_cast<T*>(normalized);                                                  \
    call.inverse_std = const_cast<T*>(inverse_std);                                                \
    call.grad = grad;                                                                              \
    call.bar_embedding = bar_embedding;                                                            \
    call.bar_direction = bar_direction;                                                            \
    call.bar_weight = bar_weight;                                                                  \
    call.out = out_grad;                                                                           \
    call.out_embedding = out_embedding;                                                            \
    call.out_direction = out_direction;                                                            \
    call.out_weight = out_weight;                                                                  \
    deepattn::Run<T>(call, 2, sums, *threads, status);                                             \
  }                                                                                                \
  void deepattn_attention_gemm_##suffix(int64_t m, int64_t n, int64_t k, const T* a, const T* b,   \
                                        T* c, deepattn_status* status) {                           \
    deepattn::RunGemm<T>(m, n, k, a, b, c, status);                                                \
  }

DEEPATTN_DEFINE_ATTENTION(float, f32)
DEEPATTN_DEFINE_ATTENTION(double, f64)
