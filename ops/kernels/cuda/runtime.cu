#include <cstdio>

#include "launch.h"
#include "problem.h"
#include "runtime.h"

#if !defined(__CUDACC__)
#include "host_order.h"

void deepattn_cuda_host_order(int order) { deepattn::host::order = order; }
#endif

#if !defined(DEEPATTN_CUDA_TARGET)
#define DEEPATTN_CUDA_TARGET "host"
#endif

namespace deepattn {
namespace {

// Of a problem of an atom, what is told behind "atom N …", else the sentence behind "frame N: ".
const char* Sentence(int kind, bool* of_atom) {
  *of_atom = true;
  switch (kind) {
    case kCoordNotFinite:
      return "has coordinates that are not finite";
    case kUnknownType:
      return "has a type that is not below the number of types";
    case kNotWrapped:
      return "cannot be wrapped into the box";
    case kSamePlace:
      return "is at the same place as a neighbor";
    case kListedNoAtom:
      return "has an entry in its neighbor list that is not the index of an atom";
    case kListedItself:
      return "is in its own neighbor list";
    case kListedTwice:
      return "has no row of the neighbor list, or two";
    case kNegativeCount:
      return "has a neighbor list with a negative number of entries";
    case kNeighborNoAtom:
      return "has an entry in nlist that is not below the number of atoms";
    case kIndexTooLarge:
      return "has a slot with an index that is not below the number of tables or factors";
    case kCountNotOfSlots:
      return "has a count that is negative or larger than its number of slots";
  }
  *of_atom = false;
  switch (kind) {
    case kBoxNotFinite:
      return "the box has a value that is not finite";
    case kBoxNoVolume:
      return "the box has no volume, as a periodic frame needs";
    default:
      return "the box is too thin for the cutoff radius";
  }
}

}  // namespace
}  // namespace deepattn

void deepattn_cuda_explain(deepattn_cuda_problem problem, deepattn_status* status) {
  using namespace deepattn;
  if (problem == DEEPATTN_CUDA_NO_PROBLEM) return;
  bool of_atom;
  const char* sentence = Sentence(problem & ((1 << kKindBits) - 1), &of_atom);
  const auto place = problem >> kKindBits;
  const auto frame = place >> kAtomBits, atom = place & ((1ULL << kAtomBits) - 1);
  status->code = DEEPATTN_INVALID_ARGUMENT;
  if (of_atom) {
    std::snprintf(status->message, sizeof(status->message), "frame %llu: atom %llu %s", frame, atom,
                  sentence);
  } else {
    std::snprintf(status->message, sizeof(status->message), "frame %llu: %s", frame, sentence);
  }
}

void deepattn_cuda_upload(void* to, const void* from, int64_t bytes, void* stream,
                          deepattn_status* status) {
  deepattn::Queue(stream, status).Copy(to, from, bytes);
}

const char* deepattn_cuda_target(void) { return DEEPATTN_CUDA_TARGET; }
