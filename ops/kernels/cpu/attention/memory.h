// Where the numbers of one neighbourhood and the parameters lie.
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
  Matrix<T> normalized;  // rows of the layer normalisation
  T* inverse_std;        // of each row

  Mixed(const Shape& shape, int64_t n, Pieces<T>* pieces)
      : message(pieces->Rows(n, shape.width)),
        score(pieces->Rows(n, n)),
        soft(pieces->Rows(n, n)),
        normalized(pieces->Rows(n, shape.width)),
        inverse_std(pieces->Row(n)) {}
};

// Whether that is kept for the derivatives, or computed again: an eighth of the arithmetic of
// training for as much memory again, which in float64 is worth more.
template <typename T>
constexpr bool kKeepsMixed = sizeof(T) == sizeof(float);

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

// Scratch memory; a pass of order k takes what is marked with k or less. `Mixed` that is not kept
// follows.
template <typename T>
struct Scratch {
  Slots<T> slot;
  T* live;
  Matrix<T> embedding;
  Matrix<T> transposed;  // of keys, or of messages
  Matrix<T> attention;
  T* weightless;  // the row of the layer normalisation of a slot without weight
  Matrix<T> row;  // rows of the output, of gradients by them; the last is for weightless slots

  Slots<T> slot_grad;  // 1
  Matrix<T> by_message;
  Matrix<T> by_project[kProjections];

  T* given = nullptr;           // 2: a row of `grad`
  T* mean = nullptr;            // of logit tangents
  T* slide[kProjections] = {};  // of `UnitTangent`
  Slots<T> slot_tangent;
  Matrix<T> embedding_tangent;
  Matrix<T> project_tangent[kProjections];
  Matrix<T> message_tangent;
  Matrix<T> transposed_tangent;
  Matrix<T> score_tangent;
  Matrix<T> attention_tangent;
  Matrix<T> row_tangent;
  Matrix<T> second;
  Matrix<T> by_message_second;
  Matrix<T> by_project_second[kProjections];

  Scratch(const Shape& shape, int order, Pieces<T>* pieces) {
    const int64_t n = shape.nnei, width = shape.width, attn = shape.attn;
    const int64_t widest = width > attn ? width : attn;
    slot = TakeSlots(n, pieces);
    live = pieces->Row(n);
    embedding = pieces->Rows(n, width);
    transposed = pieces->Rows(widest, n);
    attention = pieces->Rows(n, n);
    weightless = pieces->Row(width);
    row = pieces->Rows(n + 1, width);
    if (order < 1) return;
    slot_grad = TakeSlots(n, pieces);
    by_message = pieces->Rows(n, width);
    for (Matrix<T>& matrix : by_project) matrix = pieces->Rows(n, attn);
    if (order < 2) return;
    given = pieces->Row(width);
    mean = pieces->Row(n);
    for (T*& slides : slide) slides = pieces->Row(n);
    slot_tangent = TakeSlots(n, pieces);
    embedding_tangent = pieces->Rows(n, width);
    for (Matrix<T>& matrix : project_tangent) matrix = pieces->Rows(n, attn);
    message_tangent = pieces->Rows(n, width);
    transposed_tangent = pieces->Rows(widest, n);
    score_tangent = pieces->Rows(n, n);
    attention_tangent = pieces->Rows(n, n);
    row_tangent = pieces->Rows(n + 1, width);
    second = pieces->Rows(n + 1, width);
    by_message_second = pieces->Rows(n, width);
    for (Matrix<T>& matrix : by_project_second) matrix = pieces->Rows(n, attn);
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
  if (kKeepsMixed<T>) Mixed<T>(*shape, count, &pieces);
  return pieces.used();
}

template <typename T>
int64_t ScratchSize(const Shape* shape, int order) {
  Pieces<T> pieces(nullptr);
  Scratch<T>(*shape, order, &pieces);
  if (!kKeepsMixed<T>) Mixed<T>(*shape, shape->nnei, &pieces);
  return pieces.used();
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_MEMORY_H_
