// Where the numbers of one block of rows and the parameters lie.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_MEMORY_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_MEMORY_H_

#include "kernels.h"
#include "kernels/cpu/simd/pieces.h"

namespace {

using deepattn::EmbeddingCall;
using deepattn::kBlockRows;
using EmbeddingShape = deepattn_pair_embedding_shape;

constexpr int64_t kMostLayers = DEEPATTN_MOST_LAYERS;

// Parameters padded with zeros, or sums of gradients by them.
template <typename T>
struct Layers {
  Matrix<T> matrix[kMostLayers];
  T* bias[kMostLayers];
  T* step[kMostLayers];

  Layers(const EmbeddingShape& shape, Pieces<T>* pieces) {
    for (int64_t k = 0; k < shape.nlayers; ++k) {
      matrix[k] = pieces->Rows(shape.width[k], shape.width[k + 1]);
      bias[k] = pieces->Row(shape.width[k + 1]);
      step[k] = pieces->Row(shape.width[k + 1]);
    }
  }
};

template <typename T>
struct PackedLayers : Layers<T> {
  Matrix<T> transposed[kMostLayers];

  PackedLayers(const EmbeddingShape& shape, Pieces<T>* pieces) : Layers<T>(shape, pieces) {
    for (int64_t k = 0; k < shape.nlayers; ++k) {
      transposed[k] = pieces->Rows(shape.width[k + 1], shape.width[k]);
    }
  }
};

template <typename T>
struct LayerSums : Layers<T> {
  Matrix<T> factors;

  LayerSums(const EmbeddingShape& shape, Pieces<T>* pieces)
      : Layers<T>(shape, pieces),
        factors(pieces->Rows(shape.nfactors, shape.width[shape.nlayers])) {}
};

// Scratch memory; a pass of order k takes what is marked with k or less. Rows number k are those
// that go into layer k; `hidden` is the layer's tanh.
template <typename T>
struct LayerRows {
  Matrix<T> row[kMostLayers + 1];
  Matrix<T> hidden[kMostLayers];

  Matrix<T> dual[kMostLayers + 1];  // 1
  Matrix<T> by_hidden;              // gradients by what goes into a tanh

  Matrix<T> tangent[kMostLayers + 1];  // 2
  Matrix<T> hidden_tangent[kMostLayers];
  Matrix<T> second[kMostLayers + 1];
  Matrix<T> by_hidden_second;

  LayerRows(const EmbeddingShape& shape, int order, Pieces<T>* pieces) {
    Take(shape, pieces, row, hidden);
    if (order < 1) return;
    int64_t widest = 0;
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      dual[k] = pieces->Rows(kBlockRows, shape.width[k]);
      if (shape.width[k] > widest) widest = shape.width[k];
    }
    by_hidden = pieces->Rows(kBlockRows, widest);
    if (order < 2) return;
    Take(shape, pieces, tangent, hidden_tangent);
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      second[k] = pieces->Rows(kBlockRows, shape.width[k]);
    }
    by_hidden_second = pieces->Rows(kBlockRows, widest);
  }

 private:
  static void Take(const EmbeddingShape& shape, Pieces<T>* pieces, Matrix<T>* rows,
                   Matrix<T>* hidden) {
    for (int64_t k = 0; k <= shape.nlayers; ++k) {
      rows[k] = pieces->Rows(kBlockRows, shape.width[k]);
      if (k > 0) hidden[k - 1] = pieces->Rows(kBlockRows, shape.width[k]);
    }
  }
};

template <typename T>
void PackLayers(const typename deepattn::EmbeddingTypes<T>::Call* call, T* block) {
  const EmbeddingShape& shape = call->shape;
  Pieces<T> pieces(block);
  const PackedLayers<T> to(shape, &pieces);
  memset(block, 0, pieces.used() * sizeof(T));
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
                    const typename deepattn::EmbeddingTypes<T>::Sums* to) {
  Pieces<T> pieces(const_cast<T*>(sums));
  const LayerSums<T> from(*shape, &pieces);
  const int64_t distance = pieces.used();
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
  Pieces<T> pieces(nullptr);
  PackedLayers<T>(*shape, &pieces);
  return pieces.used();
}

template <typename T>
int64_t LayerSumsSize(const EmbeddingShape* shape) {
  Pieces<T> pieces(nullptr);
  LayerSums<T>(*shape, &pieces);
  return pieces.used();
}

template <typename T>
int64_t LayerRowsSize(const EmbeddingShape* shape, int order) {
  Pieces<T> pieces(nullptr);
  LayerRows<T>(*shape, order, &pieces);
  return pieces.used();
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_MEMORY_H_
