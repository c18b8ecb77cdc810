// What every kernel takes besides its data: threads to run on, and a place to say what went wrong.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_RUNTIME_H_
#define DEEPATTN_OPS_KERNELS_COMMON_RUNTIME_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Does the units [begin, end) of `work`.
typedef void (*deepattn_range_fn)(void* work, int64_t begin, int64_t end);

// `run` splits [0, total) into ranges, calls fn on each from any thread, and returns when all are
// done. `cost` is a unit's estimated time in nanoseconds. Results never depend on the split.
typedef struct {
  void* pool;
  void (*run)(void* pool, int64_t total, int64_t cost, deepattn_range_fn fn, void* work);
} deepattn_threads;

enum {
  DEEPATTN_OK = 0,
  DEEPATTN_INVALID_ARGUMENT = 1,
  DEEPATTN_OUT_OF_MEMORY = 2,
  DEEPATTN_DEVICE_ERROR = 3
};

// Start from {DEEPATTN_OK, ""}. Outputs are undefined unless code is still DEEPATTN_OK afterwards.
typedef struct {
  int code;
  char message[320];
} deepattn_status;

#ifdef __cplusplus
}
#endif

#endif  // DEEPATTN_OPS_KERNELS_COMMON_RUNTIME_H_
