#include "runtime.h"

#if !defined(__CUDACC__)
#include "host_order.h"

void deepattn_cuda_host_order(int order) { deepattn::host::order = order; }
#endif

#if !defined(DEEPATTN_CUDA_TARGET)
#define DEEPATTN_CUDA_TARGET "host"
#endif

const char* deepattn_cuda_target(void) { return DEEPATTN_CUDA_TARGET; }
