// Where the numbers of one atom and the parameters lie.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_MEMORY_H_
#define DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_MEMORY_H_

#include "kernels.h"
#include "kernels/cpu/pair_embedding/memory.h"

namespace {

using deepattn::EmbeddedSumsCall;
using deepattn::PackedEmbeddedSumsCall;
using SumsShape = deepattn_embedded_sums_shape;

template <typename T>
inline int32_t* Integers(int64_t n, Arena<T>* arena) {
  return reinterpret_cast<int32_t*>(arena->Row(n));
}

// The layers, and factors that do not depend on the order of two slots: half of the sum of both.
template <typename T>
struct Parameters : Layers<T> {
  Matrix<T> factors;

  Parameters(const SumsShape& shape, Arena<T>* arena)
      : Layers<T>(shape.net, arena), factors(arena->Rows(shape.net.nfactors, Width(shape))) {}

  static int64_t Width(const SumsShape& shape) { return shape.net.width[shape.net.nlayers]; }
};

// Slots of the atom that are not left out, by their types; what is marked is of the backward
// passes, or of the double backward.
template <typename T>
struct SlotMemory {
  int32_t* slot;
  int32_t* kind;
  int32_t* end;    // behind the last one of the same type
  int32_t* begin;  // of each type
  T* row[3];
  T* weight;
  T* times;
  T* grad_row[3];  // backward passes
  T* grad_weight;
  T* row_tangent[3];  // double backward
  T* weight_tangent;

  SlotMemory(const SumsShape& shape, int pass, Arena<T>* arena) {
    const int64_t n = shape.nnei;
    slot = Integers(n, arena);
    kind = Integers(n, arena);
    end = Integers(n, arena);
    begin = Integers(shape.kinds + 1, arena);
    for (T*& x : row) x = arena->Row(n);
    weight = arena->Row(n);
    times = arena->Row(n);
    if (pass == kForward) return;
    for (T*& x : grad_row) x = arena->Row(n);
    grad_weight = arena->Row(n);
    if (pass == kBackward) return;
    for (T*& x : row_tangent) x = arena->Row(n);
    weight_tangent = arena->Row(n);
  }
};

// Pairs of slots, which are rows of the net: c of each, its weight, and how often it counts.
template <typename T>
struct PairMemory {
  int32_t* index;
  T* input;
  T* weight;
  T* times;
  T* grad_input;  // backward passes
  T* grad_weight;
  T* input_tangent;  // double backward
  T* weight_tangent;
  T* outer_grad_input;
  T* outer_grad_weight;
  Matrix<T> factor;     // columns of the block
  Matrix<T> by_factor;  // backward passes: the gradient by it

  PairMemory(const SumsShape& shape, int pass, Arena<T>* arena) {
    const int64_t n = shape.nnei * shape.nnei + kBlockRows;
    const int64_t scaled = shape.net.nfactors > 0 ? Parameters<T>::Width(shape) : 0;
    index = Integers(n, arena);
    input = arena->Row(n);
    weight = arena->Row(n);
    times = arena->Row(n);
    factor = arena->Rows(scaled, kBlockRows);
    if (pass == kForward) return;
    grad_input = arena->Row(n);
    grad_weight = arena->Row(n);
    by_factor = arena->Rows(scaled, kBlockRows);
    if (pass == kBackward) return;
    input_tangent = arena->Row(n);
    weight_tangent = arena->Row(n);
    outer_grad_input = arena->Row(n);
    outer_grad_weight = arena->Row(n);
  }
};

template <typename T>
void Pack(const EmbeddedSumsCall<T>* call, T* packed) {
  const SumsShape& shape = call->shape;
  PackLayers(shape.net, call->parameters, packed);
  Arena<T> arena(packed);
  const Parameters<T> to(shape, &arena);
  const int64_t width = Parameters<T>::Width(shape);
  for (int64_t f = 0; f < shape.net.nfactors; ++f) {
    const int64_t turned = f % shape.kinds * shape.kinds + f / shape.kinds;
    const T *one = call->parameters.factors + f * width,
            *other = call->parameters.factors + turned * width;
    for (int64_t i = 0; i < width; ++i) to.factors.Row(f)[i] = (one[i] + other[i]) / T(2);
  }
}

template <typename T>
void WriteSums(const SumsShape* shape, const T* sums, int64_t number,
               const EmbeddingParameters<T>* to) {
  WriteLayerSums(&shape->net, sums, number, to);
  const int64_t width = Parameters<T>::Width(*shape), kinds = shape->kinds;
  if (shape->net.nfactors == 0) return;
  for (int64_t k = 0; k < kinds; ++k) {
    for (int64_t l = 0; l <= k; ++l) {
      T *one = to->factors + (k * kinds + l) * width,
        *other = to->factors + (l * kinds + k) * width;
      for (int64_t i = 0; i < width; ++i) one[i] = other[i] = (one[i] + other[i]) / T(2);
    }
  }
}

template <typename T>
int64_t PackedSize(const SumsShape* shape) {
  return SizeOf<Parameters<T>, T>(*shape);
}

template <typename T>
int64_t SumsSize(const SumsShape* shape) {
  return LayerSumsSize<T>(&shape->net);
}

template <typename T>
int64_t ScratchSize(const SumsShape* shape, int pass) {
  return LayerColumnsSize<T>(&shape->net, pass) + SizeOf<SlotMemory<T>, T>(*shape, pass) +
         SizeOf<PairMemory<T>, T>(*shape, pass);
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_MEMORY_H_
