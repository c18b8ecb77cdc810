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

// Of the matrix of layer k, with the offsets.
inline int64_t MatrixRows(const EmbeddingShape& shape, int64_t k) {
  return shape.width[k] + (k == 0 ? shape.noffsets : 0);
}

// Of each layer the parameters, or sums of gradients by them.
template <typename T>
struct Layers {
  Matrix<T> matrix[kMostLayers];
  T* bias[kMostLayers];
  T* step[kMostLayers];

  Layers(const EmbeddingShape& shape, Arena<T>* arena) {
    for (int64_t k = 0; k < shape.nlayers; ++k) {
      matrix[k] = arena->Rows(MatrixRows(shape, k), shape.width[k + 1]);
      bias[k] = arena->Row(shape.width[k + 1]);
      step[k] = arena->Row(shape.width[k + 1]);
    }
  }
};

template <typename T>
struct LayerSums : Layers<T> {
  Matrix<T> factors;

  LayerSums(const EmbeddingShape& shape, Arena<T>* arena)
      : Layers<T>(shape, arena), factors(arena->Rows(shape.nfactors, shape.width[shape.nlayers])) {}
};

// Scratch memory; what is marked is of the backward passes, or of the double backward. Columns are
// those of the block's rows, each contiguous: narrow layers then fill vectors as wide ones do.
// Those number k go into layer k; `hidden` is the layer's tanh.
template <typename T>
struct LayerColumns {
  Matrix<T> column[kMostLayers + 1];
  Matrix<T> hidden[kMostLayers];
  Matrix<T> row;  // as tensors have them: of the input or of the result

  Matrix<T> grad_column[kMostLayers + 1];  // backward passes
  Matrix<T> grad_hidden;                   // gradients by what goes into a tanh
  Matrix<T> grad_hidden_row;
  Matrix<T> grad_row;

  Matrix<T> tangent[kMostLayers + 1];  // double backward
  Matrix<T> hidden_tangent[kMostLayers];
  Matrix<T> outer_grad_column[kMostLayers + 1];
  Matrix<T> outer_grad_hidden;
  Matrix<T> tangent_row;
  Matrix<T> outer_grad_row;

  LayerColumns(const EmbeddingShape& shape, int pass, Arena<T>* arena) {
    int64_t widest = 0;
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      if (shape.width[k] > widest) widest = shape.width[k];
    }
    Take(shape, arena, column, hidden);
    row = arena->Rows(kBlockRows, widest);
    if (pass == kForward) return;
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      grad_column[k] = arena->Rows(shape.width[k], kBlockRows);
    }
    grad_hidden = arena->Rows(widest, kBlockRows);
    grad_hidden_row = arena->Rows(kBlockRows, widest);
    grad_row = arena->Rows(kBlockRows, widest);
    if (pass == kBackward) return;
    Take(shape, arena, tangent, hidden_tangent);
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      outer_grad_column[k] = arena->Rows(shape.width[k], kBlockRows);
    }
    outer_grad_hidden = arena->Rows(widest, kBlockRows);
    tangent_row = arena->Rows(kBlockRows, widest);
    outer_grad_row = arena->Rows(kBlockRows, widest);
  }

 private:
  static void Take(const EmbeddingShape& shape, Arena<T>* arena, Matrix<T>* columns,
                   Matrix<T>* hidden) {
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      columns[k] = arena->Rows(shape.width[k], kBlockRows);
      if (k > 0) hidden[k - 1] = arena->Rows(shape.width[k], kBlockRows);
    }
  }
};

template <typename T>
void PackLayers(const EmbeddingShape& shape, const EmbeddingParameters<const T>& from, T* block) {
  Arena<T> arena(block);
  const Layers<T> to(shape, &arena);
  for (int64_t k = 0; k < shape.nlayers; ++k) {
    const int64_t in = MatrixRows(shape, k), out = shape.width[k + 1];
    for (int64_t i = 0; i < in; ++i) {
      Copy(out, from.matrix[k] + i * out, to.matrix[k].Row(i));
    }
    Copy(out, from.bias[k], to.bias[k]);
    const T* step = from.step[k];
    for (int64_t i = 0; i < out; ++i) to.step[k][i] = step == nullptr ? T(1) : step[i];
  }
}

template <typename T>
void WriteLayerSums(const EmbeddingShape* shape, const T* sums, int64_t number,
                    const EmbeddingParameters<T>* to) {
  Arena<T> arena(const_cast<T*>(sums));
  const LayerSums<T> from(*shape, &arena);
  const int64_t distance = arena.used();
  for (int64_t k = 0; k < shape->nlayers; ++k) {
    const int64_t in = MatrixRows(*shape, k), out = shape->width[k + 1];
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
void PackLayersOf(const EmbeddingCall<T>* call, T* block) {
  PackLayers(call->shape, call->parameters, block);
}

template <typename T>
int64_t PackedLayersSize(const EmbeddingShape* shape) {
  return SizeOf<Layers<T>, T>(*shape);
}

template <typename T>
int64_t LayerSumsSize(const EmbeddingShape* shape) {
  return SizeOf<LayerSums<T>, T>(*shape);
}

template <typename T>
int64_t LayerColumnsSize(const EmbeddingShape* shape, int pass) {
  return SizeOf<LayerColumns<T>, T>(*shape, pass);
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_MEMORY_H_
