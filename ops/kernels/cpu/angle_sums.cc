#include "angle_sums.h"

#include "angle_sums/kernels.h"
#include "instruction_set.h"
#include "run_passes.h"

namespace deepattn {
namespace {

constexpr const AngleSumsTable* kTables[kInstructionSets] = {
    &kAngleSumsGeneric,
#if defined(__x86_64__)
    &kAngleSumsAvx2,
    &kAngleSumsAvx512,
#endif
};

template <typename T>
void Check(const AngleSumsCall<T>& call, FirstError* error) {
  const auto& shape = call.shape;
  for (int64_t k = 0; k < shape.natoms * shape.nnei && error->ok(); ++k) {
    if (call.kind[k] >= 0 && call.kind[k] < shape.kinds) continue;
    error->Report(k, DEEPATTN_INVALID_ARGUMENT,
                  "the type of slot %lld of atom %lld is %d, but there are %lld types",
                  static_cast<long long>(k % shape.nnei), static_cast<long long>(k / shape.nnei),
                  static_cast<int>(call.kind[k]), static_cast<long long>(shape.kinds));
  }
}

// A rough time for one atom, in nanoseconds.
int64_t Cost(const deepattn_angle_sums_shape& shape, int pass) {
  constexpr int64_t kTimes[] = {1, 3, 6};
  constexpr int64_t kPerNanosecond = 16, kTanh = 16;
  int64_t products = 0;
  for (int64_t k = 0; k < shape.net.nlayers; ++k) {
    products += (shape.net.width[k] + kTanh) * shape.net.width[k + 1];
  }
  return kTimes[pass] * shape.nnei * shape.nnei / 2 * products / kPerNanosecond + 1;
}

template <typename T>
void Run(const PackedAngleSumsCall<T>& call, int pass, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    Check(call, &error);
    if (!error.ok()) return;
    RunPasses<T>(CurrentKernels<T>(kTables), call, pass, call.shape.natoms, Cost(call.shape, pass),
                 threads, &error);
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_angle_sums_f32(const deepattn::AngleSumsCall<float>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>({*call, nullptr}, pass, *threads, status);
}

void deepattn_angle_sums_f64(const deepattn::AngleSumsCall<double>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>({*call, nullptr}, pass, *threads, status);
}
