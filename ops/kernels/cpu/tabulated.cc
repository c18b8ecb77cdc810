#include "tabulated.h"

#include <cmath>

#include "instruction_set.h"
#include "parallel.h"
#include "scratch.h"
#include "tabulated/kernels.h"

namespace deepattn {
namespace {

constexpr const TabulatedTable* kTables[kInstructionSets] = {
    &kTabulatedGeneric,
#if defined(__x86_64__)
    &kTabulatedAvx2,
    &kTabulatedAvx512,
#endif
};

template <typename T>
void Check(const TabulatedCall<T>& call, FirstError* error) {
  const deepattn_tabulated_shape& shape = call.shape;
  const T lower = call.range[0], upper = call.range[1], most = call.range[2];
  const T fine = (upper - lower) / call.range[3], coarse = (most - upper) / call.range[4];
  // Writers round the sum of the two numbers of intervals down.
  const T missing = fine + coarse - static_cast<T>(shape.nrows);
  if (!(call.range[3] > 0 && call.range[4] > 0 && fine >= 0 && coarse >= 0 &&
        fine < static_cast<T>(shape.nrows) + 1 && std::abs(missing) < T(1.01))) {
    error->Report(0, DEEPATTN_INVALID_ARGUMENT,
                  "the table has %lld rows, which do not fit its range: from %g to %g in steps of "
                  "%g and to %g in steps of %g",
                  static_cast<long long>(shape.nrows), static_cast<double>(lower),
                  static_cast<double>(upper), static_cast<double>(call.range[3]),
                  static_cast<double>(most), static_cast<double>(call.range[4]));
    return;
  }
  if (shape.is_sorted && (!shape.contracted || call.weight != nullptr)) {
    error->Report(0, DEEPATTN_INVALID_ARGUMENT,
                  "sorted slots need a matrix, which tells padding, and no weights");
    return;
  }
  if (call.index == nullptr) return;
  const int64_t number = shape.ntables > 1 ? shape.ntables : shape.nfactors;
  if (number == 0) return;
  for (int64_t p = 0; p < shape.natoms * shape.nnei && error->ok(); ++p) {
    if (call.index[p] < 0 || call.index[p] >= number) {
      error->Report(p, DEEPATTN_INVALID_ARGUMENT, "index of slot %lld is %d, but there are %lld %s",
                    static_cast<long long>(p), static_cast<int>(call.index[p]),
                    static_cast<long long>(number), shape.ntables > 1 ? "tables" : "factors");
    }
  }
}

template <typename T>
void Run(const TabulatedCall<T>& call, int order, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    Check<T>(call, &error);
    if (!error.ok()) return;
    const TabulatedKernels<T>& kernels = CurrentKernels<T>(kTables);
    const int64_t size = kernels.scratch_size(&call.shape);
    const int64_t cost = call.shape.nnei * call.shape.width * (1 + order) + 1;
    ParallelFor(threads, call.shape.natoms, cost, &error, [&] {
      return [&, scratch = ScratchArray<T>(size)](int64_t atom) {
        kernels.pass[order](&call, atom, scratch.get());
        return true;
      };
    });
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_tabulated_f32(const deepattn_tabulated_call_f32* call, int order,
                            const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>(*call, order, *threads, status);
}

void deepattn_tabulated_f64(const deepattn_tabulated_call_f64* call, int order,
                            const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>(*call, order, *threads, status);
}
