// Where the numbers of one neighborhood and the parameters lie.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_MEMORY_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_MEMORY_H_

#include "kernels.h"
#include "kernels/cpu/simd/pieces.h"
#include "rows.h"
#include "scores.h"

namespace {

using deepattn::AttentionCall;
using Shape = deepattn_attention_shape;

// Queries, keys and values, in this order.
enum Projection { kQuery, kKey, kValue, kProjections };

// Parameters, or sums of gradients by them.
template <typename T>
struct Parameters {
  Matrix<T> project[kProjections];
  T* project_bias[kProjections];
  Matrix<T> out;
  T* out_bias;
  T* gamma;
  T* beta;

  Parameters(const Shape& shape, Pieces<T>* pieces) {
    for (int p = 0; p < kProjections; ++p) {
      project[p] = pieces->Rows(shape.width, shape.attn);
      project_bias[p] = pieces->Row(shape.attn);
    }
    out = pieces->Rows(shape.attn, shape.width);
    out_bias = pieces->Row(shape.width);
    gamma = pieces->Row(shape.width);
    beta = pieces->Row(shape.width);
  }
};

// Parameters as the passes want them: padded with zeros, with transposes.
template <typename T>
struct Packed : Parameters<T> {
  Matrix<T> project_transposed[kProjections];
  Matrix<T> out_transposed;
  T* live;  // 1 in the columns of the embedding, 0 in the padding

  Packed(const Shape& shape, Pieces<T>* pieces) : Parameters<T>(shape, pieces) {
    for (Matrix<T>& matrix : project_transposed) matrix = pieces->Rows(shape.attn, shape.width);
    out_transposed = pieces->Rows(shape.width, shape.attn);
    live = pieces->Row(shape.width);
  }
};

template <typename T>
Slots<T> TakeSlots(int64_t n, Pieces<T>* pieces) {
  return {pieces->Row(n),
          pieces->Row(n),
          pieces->Row(n),
          {pieces->Row(n), pieces->Row(n), pieces->Row(n)}};
}

// From the projections of an atom with n slots that may have weight to the rows of its output.
template <typename T>
struct Mixed {
  Matrix<T> message;  // values times the output matrix
  Matrix<T> score;
  Matrix<T> soft;        // softmax of the scores
  Matrix<T> normalized;  // rows of the layer normalization
  T* inverse_std;        // of each row

  Mixed(const Shape& shape, int64_t n, Pieces<T>* pieces)
      : message(pieces->Rows(n, shape.width)),
        score(pieces->Rows(n, n)),
        soft(pieces->Rows(n, n)),
        normalized(pieces->Rows(n, shape.width)),
        inverse_std(pieces->Row(n)) {}
};

// The tangents of an atom's numbers, up to the rows of its output before their normalization.
template <typename T>
struct Tangents {
  Matrix<T> project[kProjections];
  T* slide[kProjections];  // of `UnitTangent`
  Matrix<T> message;
  Matrix<T> score;
  Matrix<T> row;

  Tangents(const Shape& shape, int64_t n, Pieces<T>* pieces) {
    for (Matrix<T>& matrix : project) matrix = pieces->Rows(n, shape.attn);
    for (T*& slides : slide) slides = pieces->Row(n);
    message = pieces->Rows(n, shape.width);
    score = pieces->Rows(n, n);
    row = pieces->Rows(n, shape.width);
  }
};

// Whether `Mixed` is kept by the forward pass and `Tangents` by the tangent pass, or both computed
// again: a quarter of the arithmetic of training for nearly four times the memory, which in float64
// is worth more.
template <typename T>
constexpr bool kKeepsAll = sizeof(T) == sizeof(float);

// What is kept of an atom in any case; `Mixed` follows, if at all.
template <typename T>
struct Kept {
  Matrix<T> project[kProjections];
  Unit<T>* unit[kProjections];  // of each row

  Kept(const Shape& shape, int64_t n, Pieces<T>* pieces) {
    constexpr int64_t per_unit = sizeof(Unit<T>) / sizeof(T);
    for (Matrix<T>& matrix : project) matrix = pieces->Rows(n, shape.attn);
    for (Unit<T>*& units : unit) units = reinterpret_cast<Unit<T>*>(pieces->Row(n * per_unit));
  }
};

// Scratch memory of a pass; `Mixed` and `Tangents` follow where they are not kept.
template <typename T>
struct Scratch {
  Slots<T> slot;
  T* live;
  Matrix<T> embedding;
  Matrix<T> transposed;  // of keys, or of messages
  Matrix<T> attention;
  T* normalized;  // row of the layer normalization of a slot without weight
  T* given;       // a row of the output, or of a gradient or tangent that is given

  Slots<T> slot_grad = {};  // gradient and reverse
  Matrix<T> row;            // of gradients by rows of the output; the last for weightless slots
  Matrix<T> by_message;
  Matrix<T> by_project;  // of one projection after the other

  Slots<T> slot_tangent = {};  // tangent and reverse
  T* mean = nullptr;           // of logit tangents
  Matrix<T> embedding_tangent;
  Matrix<T> transposed_tangent;
  Matrix<T> attention_tangent;

  T* tangent = nullptr;  // reverse: of a row of the output
  Matrix<T> second;
  Matrix<T> by_message_second;
  Matrix<T> by_project_second;

  Scratch(const Shape& shape, int pass, Pieces<T>* pieces) {
    const int64_t n = shape.nnei, width = shape.width, attn = shape.attn;
    const int64_t widest = width > attn ? width : attn;
    slot = TakeSlots(n, pieces);
    live = pieces->Row(n);
    embedding = pieces->Rows(n, width);
    transposed = pieces->Rows(widest, n);
    attention = pieces->Rows(n, n);
    normalized = pieces->Row(width);
    given = pieces->Row(width);
    if (pass == DEEPATTN_ATTENTION_GRADIENT || pass == DEEPATTN_ATTENTION_REVERSE) {
      slot_grad = TakeSlots(n, pieces);
      row = pieces->Rows(n + 1, width);
      by_message = pieces->Rows(n, width);
      by_project = pieces->Rows(n, attn);
    }
    if (pass == DEEPATTN_ATTENTION_TANGENT || pass == DEEPATTN_ATTENTION_REVERSE) {
      slot_tangent = TakeSlots(n, pieces);
      mean = pieces->Row(n);
      embedding_tangent = pieces->Rows(n, width);
      transposed_tangent = pieces->Rows(widest, n);
      attention_tangent = pieces->Rows(n, n);
    }
    if (pass == DEEPATTN_ATTENTION_REVERSE) {
      tangent = pieces->Row(width);
      second = pieces->Rows(n + 1, width);
      by_message_second = pieces->Rows(n, width);
      by_project_second = pieces->Rows(n, attn);
    }
  }
};

template <typename T>
void Pack(const typename deepattn::AttentionTypes<T>::Call* call, T* block) {
  const Shape& shape = call->shape;
  const auto& from = call->parameters;
  Pieces<T> pieces(block);
  const Packed<T> to(shape, &pieces);
  memset(block, 0, pieces.used() * sizeof(T));
  const T* matrices[kProjections] = {from.query_matrix, from.key_matrix, from.value_matrix};
  const T* biases[kProjections] = {from.query_bias, from.key_bias, from.value_bias};
  for (int p = 0; p < kProjections; ++p) {
    for (int64_t i = 0; i < shape.width; ++i) {
      Copy(shape.attn, matrices[p] + i * shape.attn, to.project[p].Row(i));
    }
    Copy(shape.attn, biases[p], to.project_bias[p]);
    Transpose(shape.width, shape.attn, to.project[p], to.project_transposed[p]);
  }
  for (int64_t i = 0; i < shape.attn; ++i) {
    Copy(shape.width, from.out_matrix + i * shape.width, to.out.Row(i));
  }
  Copy(shape.width, from.out_bias, to.out_bias);
  Copy(shape.width, from.gamma, to.gamma);
  Copy(shape.width, from.beta, to.beta);
  Transpose(shape.attn, shape.width, to.out, to.out_transposed);
  for (int64_t i = 0; i < shape.width; ++i) to.live[i] = T(1);
}

template <typename T>
void WriteSums(const Shape* shape, const T* sums, int64_t number,
               const typename deepattn::AttentionTypes<T>::Sums* out) {
  Pieces<T> pieces(const_cast<T*>(sums));
  const Parameters<T> from(*shape, &pieces);
  const int64_t width = shape->width, attn = shape->attn, distance = pieces.used();
  T* matrices[kProjections] = {out->query_matrix, out->key_matrix, out->value_matrix};
  T* biases[kProjections] = {out->query_bias, out->key_bias, out->value_bias};
  for (int p = 0; p < kProjections; ++p) {
    for (int64_t i = 0; i < width; ++i) {
      AddUp(attn, from.project[p].Row(i), number, distance, matrices[p] + i * attn);
    }
    AddUp(attn, from.project_bias[p], number, distance, biases[p]);
  }
  for (int64_t i = 0; i < attn; ++i) {
    AddUp(width, from.out.Row(i), number, distance, out->out_matrix + i * width);
  }
  AddUp(width, from.out_bias, number, distance, out->out_bias);
  AddUp(width, from.gamma, number, distance, out->gamma);
  AddUp(width, from.beta, number, distance, out->beta);
}

template <typename T>
int64_t PackedSize(const Shape* shape) {
  Pieces<T> pieces(nullptr);
  Packed<T>(*shape, &pieces);
  return pieces.used();
}

template <typename T>
int64_t SumsSize(const Shape* shape) {
  Pieces<T> pieces(nullptr);
  Parameters<T>(*shape, &pieces);
  return pieces.used();
}

template <typename T>
int64_t KeptSize(const Shape* shape, int64_t count) {
  Pieces<T> pieces(nullptr);
  Kept<T>(*shape, count, &pieces);
  if (kKeepsAll<T>) Mixed<T>(*shape, count, &pieces);
  return pieces.used();
}

template <typename T>
int64_t StateSize(const Shape* shape, int64_t count) {
  Pieces<T> pieces(nullptr);
  if (kKeepsAll<T>) Tangents<T>(*shape, count, &pieces);
  return pieces.used();
}

template <typename T>
int64_t ScratchSize(const Shape* shape, int pass) {
  Pieces<T> pieces(nullptr);
  Scratch<T>(*shape, pass, &pieces);
  if (!kKeepsAll<T>) {
    Mixed<T>(*shape, shape->nnei, &pieces);
    Tangents<T>(*shape, shape->nnei, &pieces);
  }
  return pieces.used();
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_MEMORY_H_
