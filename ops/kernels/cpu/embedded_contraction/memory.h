// Where the numbers of a unit of atoms lie; parameters lie as those of the pair embedding.
#ifndef DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_MEMORY_H_
#define DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_MEMORY_H_

#include "kernels.h"
#include "kernels/cpu/pair_embedding/memory.h"

namespace {

using deepattn::EmbeddedSumsCall;
using deepattn::kAtomsAtOnce;
using deepattn::kMostRowColumns;
using deepattn::PackedEmbeddedSumsCall;
using SumsShape = deepattn_embedded_sums_shape;

// Slots of the unit that are not left out: those one after the other that have the same numbers are
// one row.
template <typename T>
struct RowMemory {
  int32_t* first;   // slot of all atoms
  int32_t* number;  // of slots
  T* times;         // of all of them

  RowMemory(const SumsShape& shape, Arena<T>* arena) {
    const int64_t n = shape.nnei * kAtomsAtOnce;
    first = Integers(n, arena);
    number = Integers(n, arena);
    times = arena->Row(n);
  }

 private:
  static int32_t* Integers(int64_t n, Arena<T>* arena) {
    return reinterpret_cast<int32_t*>(arena->Row(n));
  }
};

// Of each atom of the unit, [kMostRowColumns][width]; of columns that there are not it is 0.
template <typename T>
struct AtomMemory {
  Matrix<T> output;  // or, in the double backward, its tangent
  Matrix<T> grad_output;

  AtomMemory(const SumsShape& shape, Arena<T>* arena) {
    output = arena->Rows(kAtomsAtOnce * kMostRowColumns, shape.net.width[shape.net.nlayers]);
    grad_output = arena->Rows(kAtomsAtOnce * kMostRowColumns, shape.net.width[shape.net.nlayers]);
  }
};

// What the pair embedding takes and gives of one block of rows, and the numbers of these, as often
// as they count; what is marked is of the backward passes, or of the double backward.
template <typename T>
struct BlockMemory {
  T* input;
  T* weight;
  int32_t* index;
  Matrix<T> numbers;
  Matrix<T> output;
  Matrix<T> grad_output;  // backward passes
  T* grad_input;
  T* grad_weight;
  T* input_tangent;  // double backward
  T* weight_tangent;
  Matrix<T> numbers_tangent;
  Matrix<T> output_tangent;
  Matrix<T> outer_grad_output;

  BlockMemory(const SumsShape& shape, int pass, Arena<T>* arena) {
    const int64_t width = shape.net.width[shape.net.nlayers];
    input = arena->Row(kBlockRows);
    weight = arena->Row(kBlockRows);
    index = reinterpret_cast<int32_t*>(arena->Row(kBlockRows));
    numbers = arena->Rows(kBlockRows, kMostRowColumns);
    output = arena->Rows(kBlockRows, width);
    if (pass == kForward) return;
    grad_output = arena->Rows(kBlockRows, width);
    grad_input = arena->Row(kBlockRows);
    grad_weight = arena->Row(kBlockRows);
    if (pass == kBackward) return;
    input_tangent = arena->Row(kBlockRows);
    weight_tangent = arena->Row(kBlockRows);
    numbers_tangent = arena->Rows(kBlockRows, kMostRowColumns);
    output_tangent = arena->Rows(kBlockRows, width);
    outer_grad_output = arena->Rows(kBlockRows, width);
  }
};

template <typename T>
void Pack(const EmbeddedSumsCall<T>* call, T* packed) {
  PackLayers(call->shape.net, call->parameters, packed);
}

template <typename T>
void WriteSums(const SumsShape* shape, const T* sums, int64_t number,
               const EmbeddingParameters<T>* to) {
  WriteLayerSums(&shape->net, sums, number, to);
}

template <typename T>
int64_t PackedSize(const SumsShape* shape) {
  return PackedLayersSize<T>(&shape->net);
}

template <typename T>
int64_t SumsSize(const SumsShape* shape) {
  return LayerSumsSize<T>(&shape->net);
}

template <typename T>
int64_t ScratchSize(const SumsShape* shape, int pass) {
  return LayerColumnsSize<T>(&shape->net, pass) + SizeOf<RowMemory<T>, T>(*shape) +
         SizeOf<AtomMemory<T>, T>(*shape) + SizeOf<BlockMemory<T>, T>(*shape, pass);
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_MEMORY_H_
