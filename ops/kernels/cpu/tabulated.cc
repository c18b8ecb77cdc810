#include "tabulated.h"

#include "check_range.h"
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
  if (!CheckRange(call.range, shape.nrows, error)) return;
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
void Run(const TabulatedCall<T>& call, int pass, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    Check<T>(call, &error);
    if (!error.ok()) return;
    const TabulatedKernels<T>& kernels = CurrentKernels<T>(kTables);
    const int64_t size = kernels.scratch_size(&call.shape);
    const int64_t cost = call.shape.nnei * call.shape.width * (1 + pass) + 1;
    ParallelFor(threads, call.shape.natoms, cost, &error, [&] {
      return [&, scratch = ScratchArray<T>(size)](int64_t atom) {
        kernels.pass[pass](&call, atom, scratch.get());
        return true;
      };
    });
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_tabulated_f32(const deepattn::TabulatedCall<float>* call, int pass,
                            const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>(*call, pass, *threads, status);
}

void deepattn_tabulated_f64(const deepattn::TabulatedCall<double>* call, int pass,
                            const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>(*call, pass, *threads, status);
}
