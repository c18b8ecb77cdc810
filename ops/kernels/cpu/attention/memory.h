// Where the numbers of one neighborhood and the parameters lie.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_MEMORY_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_MEMORY_H_

#include "kernels.h"
#include "kernels/cpu/simd/arena.h"
#include "rows.h"
#include "scores.h"

namespace {

using deepattn::AttentionCall;
using deepattn::AttentionParameters;
using deepattn::kBackward;
using deepattn::kForward;
using deepattn::kKey;
using deepattn::kProjections;
using deepattn::kQuery;
using deepattn::kReverse;
using deepattn::kSavesAll;
using deepattn::kTangent;
using deepattn::kValue;
using deepattn::PackedAttentionCall;
using deepattn::Projection;
using Shape = deepattn_attention_shape;

// Parameters, or sums of gradients by them.
template <typename T>
struct Parameters {
  Matrix<T> project[kProjections];
  T* project_bias[kProjections];
  Matrix<T> out;
  T* out_bias;
  T* gamma;
  T* beta;

  Parameters(const Shape& shape, Arena<T>* arena) {
    for (int p = 0; p < kProjections; ++p) {
      project[p] = arena->Rows(shape.width, shape.attn);
      project_bias[p] = arena->Row(shape.attn);
    }
    out = arena->Rows(shape.attn, shape.width);
    out_bias = arena->Row(shape.width);
    gamma = arena->Row(shape.width);
    beta = arena->Row(shape.width);
  }
};

// Parameters as the passes want them: padded with zeros, with transposes.
template <typename T>
struct Packed : Parameters<T> {
  Matrix<T> project_transposed[kProjections];
  Matrix<T> out_transposed;
  T* live;  // 1 in the columns of the embedding, 0 in the padding

  Packed(const Shape& shape, Arena<T>* arena) : Parameters<T>(shape, arena) {
    for (Matrix<T>& matrix : project_transposed) matrix = arena->Rows(shape.attn, shape.width);
    out_transposed = arena->Rows(shape.width, shape.attn);
    live = arena->Row(shape.width);
  }
};

// From the projections of an atom with n slots that may have weight to the rows of its output.
template <typename T>
struct Mixed {
  Matrix<T> message;  // values times the output matrix
  Matrix<T> score;
  Matrix<T> soft;        // softmax of the scores
  Matrix<T> normalized;  // rows of the layer normalization
  T* inverse_std;        // of each row

  Mixed(const Shape& shape, int64_t n, Arena<T>* arena)
      : message(arena->Rows(n, shape.width)),
        score(arena->Rows(n, n)),
        soft(arena->Rows(n, n)),
        normalized(arena->Rows(n, shape.width)),
        inverse_std(arena->Row(n)) {}
};

// The tangents of an atom's numbers, up to the rows of its output before their normalization.
template <typename T>
struct Tangents {
  Matrix<T> project[kProjections];
  T* slide[kProjections];  // of `UnitTangent`
  Matrix<T> message;
  Matrix<T> score;
  Matrix<T> row;

  Tangents(const Shape& shape, int64_t n, Arena<T>* arena) {
    for (Matrix<T>& matrix : project) matrix = arena->Rows(n, shape.attn);
    for (T*& slides : slide) slides = arena->Row(n);
    message = arena->Rows(n, shape.width);
    score = arena->Rows(n, n);
    row = arena->Rows(n, shape.width);
  }
};

// What is saved of an atom in any case; `Mixed` follows, if at all.
template <typename T>
struct Saved {
  Matrix<T> project[kProjections];
  Unit<T>* unit[kProjections];  // of each row

  Saved(const Shape& shape, int64_t n, Arena<T>* arena) {
    constexpr int64_t per_unit = sizeof(Unit<T>) / sizeof(T);
    for (Matrix<T>& matrix : project) matrix = arena->Rows(n, shape.attn);
    for (Unit<T>*& units : unit) units = reinterpret_cast<Unit<T>*>(arena->Row(n * per_unit));
  }
};

// Scratch memory of a pass; `Mixed` and `Tangents` follow where they are not saved.
template <typename T>
struct Scratch {
  Slots<T> slot;
  T* live;
  Matrix<T> embedding;
  Matrix<T> transposed;  // of keys, or of messages
  Matrix<T> attention;
  T* normalized;  // row of the layer normalization of a slot without weight
  T* given;       // a row of the output, or of a gradient or tangent that is given

  Slots<T> slot_grad = {};  // backward and reverse
  Matrix<T> grad_row;       // by rows of the output; the last for weightless slots
  Matrix<T> grad_message;
  Matrix<T> grad_project;  // of one projection after the other

  Slots<T> slot_tangent = {};  // tangent and reverse
  T* mean = nullptr;           // of logit tangents
  Matrix<T> embedding_tangent;
  Matrix<T> transposed_tangent;
  Matrix<T> attention_tangent;

  T* tangent = nullptr;  // reverse: of a row of the output
  Matrix<T> outer_grad_row;
  Matrix<T> outer_grad_message;
  Matrix<T> outer_grad_project;

  Scratch(const Shape& shape, int pass, Arena<T>* arena) {
    const int64_t n = shape.nnei, width = shape.width, attn = shape.attn;
    const int64_t widest = width > attn ? width : attn;
    slot = TakeSlots(n, arena);
    live = arena->Row(n);
    embedding = arena->Rows(n, width);
    transposed = arena->Rows(widest, n);
    attention = arena->Rows(n, n);
    normalized = arena->Row(width);
    given = arena->Row(width);
    if (pass == kBackward || pass == kReverse) {
      slot_grad = TakeSlots(n, arena);
      grad_row = arena->Rows(n + 1, width);
      grad_message = arena->Rows(n, width);
      grad_project = arena->Rows(n, attn);
    }
    if (pass == kTangent || pass == kReverse) {
      slot_tangent = TakeSlots(n, arena);
      mean = arena->Row(n);
      embedding_tangent = arena->Rows(n, width);
      transposed_tangent = arena->Rows(widest, n);
      attention_tangent = arena->Rows(n, n);
    }
    if (pass == kReverse) {
      tangent = arena->Row(width);
      outer_grad_row = arena->Rows(n + 1, width);
      outer_grad_message = arena->Rows(n, width);
      outer_grad_project = arena->Rows(n, attn);
    }
  }
};

template <typename T>
void Pack(const AttentionCall<T>* call, T* block) {
  const Shape& shape = call->shape;
  const auto& from = call->parameters;
  Arena<T> arena(block);
  const Packed<T> to(shape, &arena);
  memset(block, 0, arena.used() * sizeof(T));
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
               const AttentionParameters<T>* out) {
  Arena<T> arena(const_cast<T*>(sums));
  const Parameters<T> from(*shape, &arena);
  const int64_t width = shape->width, attn = shape->attn, distance = arena.used();
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
  return SizeOf<Packed<T>, T>(*shape);
}

template <typename T>
int64_t SumsSize(const Shape* shape) {
  return SizeOf<Parameters<T>, T>(*shape);
}

template <typename T>
int64_t SavedSize(const Shape* shape, int64_t count) {
  Arena<T> arena(nullptr);
  Saved<T>(*shape, count, &arena);
  if (kSavesAll<T>) Mixed<T>(*shape, count, &arena);
  return arena.used();
}

template <typename T>
int64_t SavedTangentsSize(const Shape* shape, int64_t count) {
  Arena<T> arena(nullptr);
  if (kSavesAll<T>) Tangents<T>(*shape, count, &arena);
  return arena.used();
}

template <typename T>
int64_t ScratchSize(const Shape* shape, int pass) {
  Arena<T> arena(nullptr);
  Scratch<T>(*shape, pass, &arena);
  if (!kSavesAll<T>) {
    Mixed<T>(*shape, shape->nnei, &arena);
    Tangents<T>(*shape, shape->nnei, &arena);
  }
  return arena.used();
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_MEMORY_H_
