// What each instruction set offers to the driver, `smooth_potential.cc`. Plain data: see simd.h.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_KERNELS_H_
#define DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_KERNELS_H_

#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/smooth_potential.h"

namespace deepattn {

constexpr int kRowWidth = 4;
// Rows that go through an embedding net together; they stay in the cache.
constexpr int64_t kEmbeddingRows = 32;
// Atoms that go through a fitting net together.
constexpr int64_t kGroupAtoms = 32;

// A row of the environment matrix with a direction, or all of an atom's empty slots of a block.
template <typename T>
struct EmbeddedRow {
  T row[kRowWidth];
  T tangent[kRowWidth];
  T radial;  // what the embedding net takes: the first of the row, unless that stands for several
  T radial_tangent;
  T weight;  // of the factors
  T weight_tangent;
  int32_t pair;
  int32_t atom;  // of the part
  int64_t slot;  // negative for empty slots
};

// Some atoms and their rows, those of an embedding net together.
template <typename T>
struct SmoothPart {
  const EmbeddingNets<T>* nets;
  const T* packed;  // all nets
  T count;
  int64_t natoms;
  const int64_t* net_begin;  // [nnets + 1], rows of each net
  const EmbeddedRow<T>* rows;
  // Rᵀ G / count of each atom, [natoms][4][stride], and its tangents or null.
  T* contracted;
  T* contracted_tangent;
  // G and its derivative by the radial entry, [rows][2][stride], or null.
  T* embedding;
  // The gradients by `contracted` and its tangents, divided by count once more.
  const T* grad;
  const T* grad_tangent;
};

// Atoms of one fitting net.
template <typename T>
struct SmoothGroup {
  const FittingNet<T>* net;
  int64_t width;
  int64_t axis;
  T count;
  int64_t natoms;
  const T* contracted;  // as of parts
  const T* contracted_tangent;
  const T* const* offset;  // [natoms][3], rows to add to the first layer's sum, or null
  const T* grad_energy;    // [natoms]
  T* energy;               // [natoms], or null
  T* grad;                 // by `contracted`, divided by count
  T* grad_tangent;
  T* memory;  // what the gradients by the weights need
};

// Sizes are in elements; buffers are aligned to 64 bytes.
template <typename T>
struct SmoothKernels {
  int64_t lanes;                     // atoms of a group are padded to a multiple of this
  int64_t (*stride)(int64_t width);  // of rows of an embedding
  // The embedding nets as the passes want them.
  int64_t (*packed_size)(const EmbeddingNets<T>* nets);
  void (*pack_tables)(const EmbeddingNets<T>* nets, T* packed);
  void (*pack_net)(const EmbeddingNets<T>* nets, int64_t net, T* packed);
  int64_t (*part_scratch_size)(const EmbeddingNets<T>* nets);
  void (*describe)(const SmoothPart<T>* part, T* scratch);
  // The derivative by the rows, [rows][4].
  void (*row_gradients)(const SmoothPart<T>* part, T* gradients);
  int64_t (*group_scratch_size)(const FittingNet<T>* net, int64_t width, bool tangents);
  int64_t (*group_memory_size)(const FittingNet<T>* net);
  // D, [natoms][width · axis], and room for `lanes` more.
  void (*descriptors)(const SmoothGroup<T>* group, T* out);
  // Energies and the gradients by `contracted`; with a tangent those of Σ grad_energy E + Ė.
  void (*evaluate)(const SmoothGroup<T>* group, T* scratch);
  void (*differentiate)(const SmoothGroup<T>* group, T* scratch);
  int64_t (*matrix_scratch_size)(const FittingNet<T>* net, int64_t rows);
  // Rows [begin, end) of the gradient by a matrix, of the groups of one net; `add`: to what is
  // there.
  void (*matrix_gradient)(const SmoothGroup<T>* groups, int64_t ngroups, int64_t layer,
                          int64_t begin, int64_t end, bool add, T* scratch, T* out);
  // Adds the gradients by biases, time steps, the last layer, and the rows of `offset`, each unless
  // it is null.
  void (*vector_gradients)(const SmoothGroup<T>* group, const FittingGradients<T>* out,
                           T* const* offset);
  // Of a part, added to sums of a net that are cleared where it is not `touched`. Those of the
  // tables come first.
  int64_t (*sums_size)(const EmbeddingNets<T>* nets);
  int64_t (*table_sums_size)(const EmbeddingNets<T>* nets);
  void (*embedding_gradients)(const SmoothPart<T>* part, T* scratch, T* sums, char* touched);
  // Adds up arrays of sums, in order.
  void (*write_table_sums)(const EmbeddingNets<T>* nets, const T* const* sums, int64_t number,
                           const EmbeddingGradients<T>* out);
  void (*write_net_sums)(const EmbeddingNets<T>* nets, int64_t net, const T* const* sums,
                         int64_t number, const EmbeddingGradients<T>* out);
};

using SmoothTable = KernelTable<SmoothKernels>;

extern const SmoothTable kSmoothGeneric;
#if defined(__x86_64__)
extern const SmoothTable kSmoothAvx2;
extern const SmoothTable kSmoothAvx512;
#endif

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_KERNELS_H_
