// Which instruction set the vectorised kernels use: chosen once, when the program runs.
#ifndef DEEPATTN_OPS_KERNELS_CPU_INSTRUCTION_SET_H_
#define DEEPATTN_OPS_KERNELS_CPU_INSTRUCTION_SET_H_

#ifdef __cplusplus
extern "C" {
#endif

// For tests: makes all calls from now on use "avx512", "avx2" or "generic", or the best one again
// (null). Returns 0, changing nothing, if the processor does not have it.
int deepattn_use_instruction_set(const char* name);

#ifdef __cplusplus
}

namespace deepattn {

enum InstructionSet { kGeneric, kAvx2, kAvx512, kInstructionSets };

InstructionSet CurrentInstructionSet();

}  // namespace deepattn
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_INSTRUCTION_SET_H_
