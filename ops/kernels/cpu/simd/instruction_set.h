// The instruction set that a file is compiled for, as DEEPATTN_ISA names it:
//
//   Generic  any processor: vectors of 16 bytes, which the compiler splits where there are none
//   Avx2     x86 with AVX2 and FMA: 16 registers of 32 bytes
//   Avx512   x86 with AVX-512 (F, DQ, VL): 32 registers of 64 bytes
#ifndef DEEPATTN_OPS_KERNELS_CPU_SIMD_INSTRUCTION_SET_H_
#define DEEPATTN_OPS_KERNELS_CPU_SIMD_INSTRUCTION_SET_H_

#define DEEPATTN_VECTOR_BYTES_Generic 16
#define DEEPATTN_VECTOR_BYTES_Avx2 32
#define DEEPATTN_VECTOR_BYTES_Avx512 64

// Rows of a product's result that are in registers at once.
#define DEEPATTN_TILE_ROWS_Generic 4
#define DEEPATTN_TILE_ROWS_Avx2 4
#define DEEPATTN_TILE_ROWS_Avx512 8

#define DEEPATTN_JOIN_EXPANDED(a, b) a##b
#define DEEPATTN_JOIN(a, b) DEEPATTN_JOIN_EXPANDED(a, b)

#define DEEPATTN_VECTOR_BYTES DEEPATTN_JOIN(DEEPATTN_VECTOR_BYTES_, DEEPATTN_ISA)
#define DEEPATTN_TILE_ROWS DEEPATTN_JOIN(DEEPATTN_TILE_ROWS_, DEEPATTN_ISA)

// The name of a table of this instruction set, such as kAttentionAvx2 for kAttention.
#define DEEPATTN_TABLE(name) DEEPATTN_JOIN(name, DEEPATTN_ISA)

#endif  // DEEPATTN_OPS_KERNELS_CPU_SIMD_INSTRUCTION_SET_H_
