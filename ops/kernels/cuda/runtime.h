// What every function of libdeepattn_cuda takes besides its data.
//
// Pointers are to device memory and aligned to 16 bytes, unless said otherwise; `stream` is a
// cudaStream_t. Functions only queue work: nothing is allocated, nothing waits for the device.
// What needs room of its own takes a workspace, whose size in bytes another function tells.
// Errors of the call and of its launches are in the status.
//
// libdeepattn_cuda_host, the same sources compiled for the host, has the same interface on the
// host's memory, and takes no notice of the stream.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_RUNTIME_H_
#define DEEPATTN_OPS_KERNELS_CUDA_RUNTIME_H_

#include "kernels/common/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// What the device found wrong with its input, the first by frame and atom: a number that functions
// leave in device memory. If it is not the one below, outputs of that frame are undefined, and
// of its environment matrix some are not numbers.
typedef unsigned long long deepattn_cuda_problem;
#define DEEPATTN_CUDA_NO_PROBLEM (~0ULL)

// Sets the status to what the number says.
void deepattn_cuda_explain(deepattn_cuda_problem problem, deepattn_status* status);

// Copies from the host's memory, which must stay as it is until the stream is there; it should be
// locked, for then nothing waits.
void deepattn_cuda_upload(void* to, const void* from, int64_t bytes, void* stream,
                          deepattn_status* status);

// What the library was compiled for: "host", or "sm_75 sm_80 …".
const char* deepattn_cuda_target(void);

#if !defined(__CUDACC__)
// Of the host's library: runs what a device runs at once forwards (0), backwards or shuffled.
void deepattn_cuda_host_order(int order);
#endif

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_CUDA_RUNTIME_H_
