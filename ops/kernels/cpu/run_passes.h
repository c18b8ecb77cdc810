// Runs the passes of a vectorized kernel over its units: atoms, or blocks of rows.
#ifndef DEEPATTN_OPS_KERNELS_CPU_RUN_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_RUN_PASSES_H_

#include <algorithm>
#include <cstring>

#include "parallel.h"
#include "scratch.h"

namespace deepattn {

// Gradients by parameters are summed over this many units one after the other, then over these
// parts, of which there are no more than kMostParts: the result does not depend on the threads.
constexpr int64_t kUnitsPerPart = 8;
constexpr int64_t kMostParts = 64;
// Parts are fewer where the sums are large, so that their memory is bounded.
constexpr int64_t kMostSums = int64_t{1} << 24;

inline int64_t NumberOfParts(int64_t nunits, int64_t sums_size, int64_t units_per_part) {
  const int64_t most =
      std::clamp<int64_t>(kMostSums / std::max<int64_t>(sums_size, 1), 4, kMostParts);
  return std::clamp<int64_t>((nunits + units_per_part - 1) / units_per_part, 1, most);
}

// Runs one pass over all units, which take about `cost` nanoseconds each. `kernels` is a table of
// functions such as AttentionKernels, for the call's shape.
template <typename T, typename Kernels, typename Call>
void RunPasses(const Kernels& kernels, Call call, int pass, int64_t nunits, int64_t cost,
               const deepattn_threads& threads, FirstError* error,
               int64_t units_per_part = kUnitsPerPart) {
  const auto& shape = call.shape;
  const ScratchArray<T> packed(kernels.packed_size(&shape));
  kernels.pack(&call, packed.get());
  call.packed = packed.get();
  const int64_t scratch_size = kernels.scratch_size(&shape, pass);
  if (call.grad_parameters == nullptr) {
    ParallelFor(threads, nunits, cost, error, [&] {
      return [&, scratch = ScratchArray<T>(scratch_size)](int64_t unit) {
        kernels.pass[pass](&call, unit, scratch.get(), nullptr);
        return true;
      };
    });
    return;
  }
  const int64_t sums_size = kernels.sums_size(&shape);
  const int64_t parts = NumberOfParts(nunits, sums_size, units_per_part);
  const ScratchArray<T> partial(parts * sums_size);
  ParallelFor(threads, parts, cost * nunits / parts + 1, error, [&] {
    return [&, scratch = ScratchArray<T>(scratch_size)](int64_t part) {
      T* sum = partial.get() + part * sums_size;
      std::memset(sum, 0, sums_size * sizeof(T));
      const int64_t end = nunits * (part + 1) / parts;
      for (int64_t unit = nunits * part / parts; unit < end; ++unit) {
        kernels.pass[pass](&call, unit, scratch.get(), sum);
      }
      return true;
    };
  });
  if (error->ok()) kernels.write_sums(&shape, partial.get(), parts, call.grad_parameters);
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_RUN_PASSES_H_
