#include "embedded_sums.h"

#include "angle_sums/kernels.h"
#include "embedded_contraction/kernels.h"
#include "instruction_set.h"
#include "run_passes.h"

namespace deepattn {
namespace {

using Table = EmbeddedSumsTable;

constexpr const Table* kAngleTables[kInstructionSets] = {
    &kAngleSumsGeneric,
#if defined(__x86_64__)
    &kAngleSumsAvx2,
    &kAngleSumsAvx512,
#endif
};

constexpr const Table* kContractionTables[kInstructionSets] = {
    &kEmbeddedContractionGeneric,
#if defined(__x86_64__)
    &kEmbeddedContractionAvx2,
    &kEmbeddedContractionAvx512,
#endif
};

// Fails for an index that is not below `number`.
template <typename T>
void Check(const EmbeddedSumsCall<T>& call, int64_t number, const char* what, FirstError* error) {
  const auto& shape = call.shape;
  for (int64_t k = 0; k < shape.natoms * shape.nnei && error->ok(); ++k) {
    if (call.index[k] >= 0 && call.index[k] < number) continue;
    error->Report(k, DEEPATTN_INVALID_ARGUMENT,
                  "index of slot %lld of atom %lld is %d, but there are %lld %s",
                  static_cast<long long>(k % shape.nnei), static_cast<long long>(k / shape.nnei),
                  static_cast<int>(call.index[k]), static_cast<long long>(number), what);
  }
}

// A rough time for the net of so many rows, in nanoseconds.
int64_t Cost(const deepattn_pair_embedding_shape& net, int pass, int64_t rows) {
  constexpr int64_t kTimes[] = {1, 3, 6};
  constexpr int64_t kPerNanosecond = 16, kTanh = 16;
  int64_t products = 0;
  for (int64_t k = 0; k < net.nlayers; ++k) {
    products += (net.width[k] + kTanh) * net.width[k + 1];
  }
  return kTimes[pass] * rows * products / kPerNanosecond + 1;
}

template <typename T>
void SumAngles(const PackedEmbeddedSumsCall<T>& call, int pass, const deepattn_threads& threads,
               deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    const auto& shape = call.shape;
    Check(call, shape.kinds, "types", &error);
    if (!error.ok()) return;
    RunPasses<T>(CurrentKernels<T>(kAngleTables), call, pass, shape.natoms,
                 Cost(shape.net, pass, shape.nnei * shape.nnei / 2), threads, &error);
  });
}

template <typename T>
void Contract(const PackedEmbeddedSumsCall<T>& call, int pass, const deepattn_threads& threads,
              deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    const auto& shape = call.shape;
    const int64_t number = shape.net.nfactors + shape.net.noffsets;
    if (number > 0) {
      Check(call, number, shape.net.nfactors > 0 ? "factors" : "offsets", &error);
    }
    if (!error.ok()) return;
    RunPasses<T>(CurrentKernels<T>(kContractionTables), call, pass,
                 (shape.natoms + kAtomsAtOnce - 1) / kAtomsAtOnce,
                 Cost(shape.net, pass, shape.nnei * kAtomsAtOnce), threads, &error,
                 kUnitsPerPart / kAtomsAtOnce);
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_angle_sums_f32(const deepattn::EmbeddedSumsCall<float>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status) {
  deepattn::SumAngles<float>({*call, nullptr}, pass, *threads, status);
}

void deepattn_angle_sums_f64(const deepattn::EmbeddedSumsCall<double>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status) {
  deepattn::SumAngles<double>({*call, nullptr}, pass, *threads, status);
}

void deepattn_embedded_contraction_f32(const deepattn::EmbeddedSumsCall<float>* call, int pass,
                                       const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Contract<float>({*call, nullptr}, pass, *threads, status);
}

void deepattn_embedded_contraction_f64(const deepattn::EmbeddedSumsCall<double>* call, int pass,
                                       const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Contract<double>({*call, nullptr}, pass, *threads, status);
}
