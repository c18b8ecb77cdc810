// What each instruction set offers to the driver, `product.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PRODUCT_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_PRODUCT_KERNELS_H_

#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/product.h"

namespace deepattn {

template <typename T>
struct ProductCall {
  deepattn_product_shape shape;
  const T* a;
  const T* b;
  T* c;
  T* packed;  // b by panels, if it has to be packed
};

// Sizes are in elements; buffers are aligned to 64 bytes.
template <typename T>
struct ProductKernels {
  int64_t (*packed_size)(const ProductCall<T>* call);  // 0: b is used as it lies
  int64_t (*panels)(const deepattn_product_shape* shape);
  int64_t (*panel_scratch_size)(const deepattn_product_shape* shape);
  void (*pack_panel)(const ProductCall<T>* call, int64_t panel, T* scratch);
  int64_t (*tiles)(const deepattn_product_shape* shape);
  int64_t (*tile_scratch_size)(const deepattn_product_shape* shape);
  void (*tile)(const ProductCall<T>* call, int64_t tile, T* scratch);
};

using ProductTable = KernelTable<ProductKernels>;

extern const ProductTable kProductGeneric;
#if defined(__x86_64__)
extern const ProductTable kProductAvx2;
extern const ProductTable kProductAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_PRODUCT_KERNELS_H_
