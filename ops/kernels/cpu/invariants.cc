#include "invariants.h"

#include "instruction_set.h"
#include "invariants/kernels.h"
#include "parallel.h"

namespace deepattn {
namespace {

constexpr const InvariantsTable* kTables[kInstructionSets] = {
    &kInvariantsGeneric,
#if defined(__x86_64__)
    &kInvariantsAvx2,
    &kInvariantsAvx512,
#endif
};

template <typename T>
void Run(const InvariantsCall<T>& call, int pass, const deepattn_threads& threads,
         deepattn_status* status) {
  Guard(status, [&] {
    FirstError error(status);
    const auto& shape = call.shape;
    const auto& kernels = CurrentKernels<T>(kTables);
    // In nanoseconds: a few numbers are multiplied in each of them.
    const int64_t cost = (1 + (pass != kInvariants)) * shape.columns * shape.axis * shape.width / 8;
    ParallelFor(threads, shape.natoms, cost + 1, &error, [&] {
      return [&](int64_t atom) {
        kernels.pass[pass](&call, atom);
        return true;
      };
    });
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_invariants_f32(const deepattn::InvariantsCall<float>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>(*call, pass, *threads, status);
}

void deepattn_invariants_f64(const deepattn::InvariantsCall<double>* call, int pass,
                             const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>(*call, pass, *threads, status);
}
