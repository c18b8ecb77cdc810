// Marks functions that the CUDA kernels use too.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_BOTH_H_
#define DEEPATTN_OPS_KERNELS_COMMON_BOTH_H_

#if defined(__CUDACC__)
#define DEEPATTN_BOTH __host__ __device__ __forceinline__
#else
#define DEEPATTN_BOTH inline
#endif

#endif  // DEEPATTN_OPS_KERNELS_COMMON_BOTH_H_
