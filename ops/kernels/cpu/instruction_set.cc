#include "instruction_set.h"

#include <atomic>
#include <cstring>
#include <initializer_list>

namespace deepattn {
namespace {

constexpr const char* kNames[kInstructionSets] = {"generic", "avx2", "avx512"};

bool IsSupported(InstructionSet set) {
#if defined(__x86_64__)
  if (set == kAvx512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
  if (set == kAvx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return set == kGeneric;
}

InstructionSet Best() {
  for (const InstructionSet set : {kAvx512, kAvx2}) {
    if (IsSupported(set)) return set;
  }
  return kGeneric;
}

std::atomic<InstructionSet>& Current() {
  static std::atomic<InstructionSet> current(Best());
  return current;
}

}  // namespace

InstructionSet CurrentInstructionSet() { return Current().load(); }

}  // namespace deepattn

int deepattn_use_instruction_set(const char* name) {
  using namespace deepattn;
  if (name == nullptr) {
    Current() = Best();
    return 1;
  }
  for (const InstructionSet set : {kGeneric, kAvx2, kAvx512}) {
    if (std::strcmp(kNames[set], name) == 0 && IsSupported(set)) {
      Current() = set;
      return 1;
    }
  }
  return 0;
}
