// Where the numbers of one block of rows and the parameters lie.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_MEMORY_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_MEMORY_H_

#include "kernels.h"
#include "kernels/cpu/simd/arena.h"

namespace {

using deepattn::EmbeddingCall;
using deepattn::EmbeddingParameters;
using deepattn::kBackward;
using deepattn::kBlockRows;
using deepattn::kDoubleBackward;
using deepattn::kForward;
using deepattn::kMostLayers;
using deepattn::PackedEmbeddingCall;
using EmbeddingShape = deepattn_pair_embedding_shape;

// Parameters padded with zeros, or sums of gradients by them.
template <typename T>
struct Layers {
  Matrix<T> matrix[kMostLayers];
  T* bias[kMostLayers];
  T* step[kMostLayers];

  Layers(const EmbeddingShape& shape, Arena<T>* arena) {
    for (int64_t k = 0; k < shape.nlayers; ++k) {
      matrix[k] = arena->Rows(shape.width[k], shape.width[k + 1]);
      bias[k] = arena->Row(shape.width[k + 1]);
      step[k] = arena->Row(shape.width[k + 1]);
    }
  }
};

template <typename T>
struct PackedLayers : Layers<T> {
  Matrix<T> transposed[kMostLayers];

  PackedLayers(const EmbeddingShape& shape, Arena<T>* arena) : Layers<T>(shape, arena) {
    for (int64_t k = 0; k < shape.nlayers; ++k) {
      transposed[k] = arena->Rows(shape.width[k + 1], shape.width[k]);
    }
  }
};

template <typename T>
struct LayerSums : Layers<T> {
  Matrix<T> factors;

  LayerSums(const EmbeddingShape& shape, Arena<T>* arena)
      : Layers<T>(shape, arena), factors(arena->Rows(shape.nfactors, shape.width[shape.nlayers])) {}
};

// Scratch memory; what is marked is of the backward passes, or of the double backward. Rows number
// k are those that go into layer k; `hidden` is the layer's tanh.
template <typename T>
struct LayerRows {
  Matrix<T> row[kMostLayers + 1];
  Matrix<T> hidden[kMostLayers];

  Matrix<T> grad_row[kMostLayers + 1];  // backward passes
  Matrix<T> grad_hidden;                // gradients by what goes into a tanh

  Matrix<T> tangent[kMostLayers + 1];  // double backward
  Matrix<T> hidden_tangent[kMostLayers];
  Matrix<T> outer_grad_row[kMostLayers + 1];
  Matrix<T> outer_grad_hidden;

  LayerRows(const EmbeddingShape& shape, int pass, Arena<T>* arena) {
    Take(shape, arena, row, hidden);
    if (pass == kForward) return;
    int64_t widest = 0;
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      grad_row[k] = arena->Rows(kBlockRows, shape.width[k]);
      if (shape.width[k] > widest) widest = shape.width[k];
    }
    grad_hidden = arena->Rows(kBlockRows, widest);
    if (pass == kBackward) return;
    Take(shape, arena, tangent, hidden_tangent);
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      outer_grad_row[k] = arena->Rows(kBlockRows, shape.width[k]);
    }
    outer_grad_hidden = arena->Rows(kBlockRows, widest);
  }

 private:
  static void Take(const EmbeddingShape& shape, Arena<T>* arena, Matrix<T>* rows,
                   Matrix<T>* hidden) {
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      rows[k] = arena->Rows(kBlockRows, shape.width[k]);
      if (k > 0) hidden[k - 1] = arena->Rows(kBlockRows, shape.width[k]);
    }
  }
};

template <typename T>
void PackLayers(const EmbeddingCall<T>* call, T* block) {
  const EmbeddingShape& shape = call->shape;
  Arena<T> arena(block);
  const PackedLayers<T> to(shape, &arena);
  memset(block, 0, arena.used() * sizeof(T));
  for (int64_t k = 0; k < shape.nlayers; ++k) {
    const int64_t in = shape.width[k], out = shape.width[k + 1];
    for (int64_t i = 0; i < in; ++i) {
      Copy(out, call->parameters.matrix[k] + i * out, to.matrix[k].Row(i));
    }
    Copy(out, call->parameters.bias[k], to.bias[k]);
    const T* step = call->parameters.step[k];
    for (int64_t i = 0; i < out; ++i) to.step[k][i] = step == nullptr ? T(1) : step[i];
    Transpose(in, out, to.matrix[k], to.transposed[k]);
  }
}

template <typename T>
void WriteLayerSums(const EmbeddingShape* shape, const T* sums, int64_t number,
                    const EmbeddingParameters<T>* to) {
  Arena<T> arena(const_cast<T*>(sums));
  const LayerSums<T> from(*shape, &arena);
  const int64_t distance = arena.used();
  for (int64_t k = 0; k < shape->nlayers; ++k) {
    const int64_t in = shape->width[k], out = shape->width[k + 1];
    for (int64_t i = 0; i < in; ++i) {
      AddUp(out, from.matrix[k].Row(i), number, distance, to->matrix[k] + i * out);
    }
    AddUp(out, from.bias[k], number, distance, to->bias[k]);
    if (to->step[k] != nullptr) AddUp(out, from.step[k], number, distance, to->step[k]);
  }
  const int64_t width = shape->width[shape->nlayers];
  for (int64_t f = 0; f < shape->nfactors; ++f) {
    AddUp(width, from.factors.Row(f), number, distance, to->factors + f * width);
  }
}

template <typename T>
int64_t PackedLayersSize(const EmbeddingShape* shape) {
  Arena<T> arena(nullptr);
  PackedLayers<T>(*shape, &arena);
  return arena.used();
}

template <typename T>
int64_t LayerSumsSize(const EmbeddingShape* shape) {
  Arena<T> arena(nullptr);
  LayerSums<T>(*shape, &arena);
  return arena.used();
}

template <typename T>
int64_t LayerRowsSize(const EmbeddingShape* shape, int pass) {
  Arena<T> arena(nullptr);
  LayerRows<T>(*shape, pass, &arena);
  return arena.used();
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_MEMORY_H_
