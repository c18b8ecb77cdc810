#include "product.h"

#include <cstring>

#include "instruction_set.h"
#include "parallel.h"
#include "product/kernels.h"
#include "scratch.h"

namespace deepattn {
namespace {

constexpr const ProductTable* kTables[kInstructionSets] = {
    &kProductGeneric,
#if defined(__x86_64__)
    &kProductAvx2,
    &kProductAvx512,
#endif
};

// Multiply-adds of a core, roughly.
constexpr int64_t kPerNanosecond = 10;

template <typename T>
void Run(const deepattn_product_shape& shape, const T* a, const T* b, T* c,
         const deepattn_threads& threads, deepattn_status* status) {
  Guard(status, [&] {
    if (shape.m == 0 || shape.n == 0) return;
    if (shape.k == 0) {
      std::memset(c, 0, shape.m * shape.n * sizeof(T));
      return;
    }
    FirstError error(status);
    const ProductKernels<T>& kernels = CurrentKernels<T>(kTables);
    ProductCall<T> call = {shape, a, b, c, nullptr};
    const int64_t packed_size = kernels.packed_size(&call);
    const ScratchArray<T> packed(packed_size);
    if (packed_size > 0) {
      call.packed = packed.get();
      const int64_t panels = kernels.panels(&shape);
      ParallelFor(threads, panels, packed_size / panels, &error, [&] {
        return [&, scratch = ScratchArray<T>(kernels.panel_scratch_size(&shape))](int64_t panel) {
          kernels.pack_panel(&call, panel, scratch.get());
          return true;
        };
      });
      if (!error.ok()) return;
    }
    const int64_t tiles = kernels.tiles(&shape);
    const int64_t cost = shape.m * shape.n / tiles * shape.k / kPerNanosecond + 1;
    ParallelFor(threads, tiles, cost, &error, [&] {
      return [&, scratch = ScratchArray<T>(kernels.tile_scratch_size(&shape))](int64_t tile) {
        kernels.tile(&call, tile, scratch.get());
        return true;
      };
    });
  });
}

}  // namespace
}  // namespace deepattn

void deepattn_product_f32(const deepattn_product_shape* shape, const float* a, const float* b,
                          float* c, const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<float>(*shape, a, b, c, *threads, status);
}

void deepattn_product_f64(const deepattn_product_shape* shape, const double* a, const double* b,
                          double* c, const deepattn_threads* threads, deepattn_status* status) {
  deepattn::Run<double>(*shape, a, b, c, *threads, status);
}
