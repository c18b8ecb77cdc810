// Which instruction set the vectorized kernels use: chosen once, when the program runs.
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

// A vectorized op's functions, compiled for one instruction set.
template <template <typename> class Kernels>
struct KernelTable {
  Kernels<float> f32;
  Kernels<double> f64;
};

// Of the tables of all instruction sets the kernels for T of one.
template <typename T, template <typename> class Kernels>
const Kernels<T>& KernelsFor(InstructionSet set,
                             const KernelTable<Kernels>* const (&tables)[kInstructionSets]) {
  const KernelTable<Kernels>& table = *tables[set];
  if constexpr (sizeof(T) == sizeof(float)) {
    return table.f32;
  } else {
    return table.f64;
  }
}

// And of the current one.
template <typename T, template <typename> class Kernels>
const Kernels<T>& CurrentKernels(const KernelTable<Kernels>* const (&tables)[kInstructionSets]) {
  return KernelsFor<T>(CurrentInstructionSet(), tables);
}

}  // namespace deepattn
#endif

#endif  // DEEPATTN_OPS_KERNELS_CPU_INSTRUCTION_SET_H_
