// How kernels say what is wrong with their input. The first problem by frame, then by atom, wins,
// whatever the order they are found in.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PROBLEM_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PROBLEM_H_

#include "portable.h"
#include "runtime.h"

namespace deepattn {

enum ProblemKind {
  kCoordNotFinite,
  kUnknownType,
  kBoxNotFinite,
  kBoxNoVolume,
  kBoxTooThin,
  kNotWrapped,
  kSamePlace,
  kListedNoAtom,
  kListedItself,
  kListedTwice,
  kNegativeCount,
  kNeighborNoAtom,
  kIndexTooLarge,
  kCountNotOfSlots,
};

constexpr int kKindBits = 8, kAtomBits = 32;

DEEPATTN_DEVICE void Report(deepattn_cuda_problem* problem, int64_t frame, int64_t atom,
                            ProblemKind kind) {
  const auto place = static_cast<deepattn_cuda_problem>(frame << kAtomBits | atom);
  AtomicMin(problem, place << kKindBits | kind);
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PROBLEM_H_
