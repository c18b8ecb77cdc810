// Where the numbers of one neighborhood and the parameters lie.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_MEMORY_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_MEMORY_H_

#include "kernels.h"
#include "kernels/cpu/attention/scores.h"
#include "kernels/cpu/simd/arena.h"

namespace {

using deepattn::kBackward;
using deepattn::kDoubleBackward;
using deepattn::kForward;
using deepattn::PackedPairAttentionCall;
using deepattn::PairAttentionCall;
using deepattn::PairAttentionParameters;
using Shape = deepattn_pair_attention_shape;

// Parameters of all heads, the rows of one behind those of another, or sums of gradients by them.
template <typename T>
struct Heads {
  Matrix<T> score;
  Matrix<T> message;

  Heads(const Shape& shape, Arena<T>* arena)
      : score(arena->Rows(shape.heads * shape.width, shape.width)),
        message(arena->Rows(shape.heads * shape.width, shape.width)) {}
};

// Parameters as the passes want them: padded with zeros, and each head's transposed.
template <typename T>
struct PackedHeads : Heads<T> {
  Heads<T> transposed;

  PackedHeads(const Shape& shape, Arena<T>* arena)
      : Heads<T>(shape, arena), transposed(shape, arena) {}
};

// A head's part of a matrix of all.
template <typename T>
Matrix<T> OfHead(const Shape& shape, Matrix<T> matrix, int64_t head) {
  return {matrix.Row(head * shape.width), matrix.stride};
}

// The numbers of one head that come before the softmax, or their tangents.
template <typename T>
struct HeadRows {
  Matrix<T> query;    // x Q
  Matrix<T> message;  // x M
  Matrix<T> bare;     // scores before the gate
  Matrix<T> score;    // and behind it: the same ones if there is no gate

  HeadRows() = default;
  HeadRows(const Shape& shape, Arena<T>* arena)
      : query(arena->Rows(shape.nnei, shape.width)),
        message(arena->Rows(shape.nnei, shape.width)),
        bare(arena->Rows(shape.nnei, shape.nnei)),
        score(shape.gate ? arena->Rows(shape.nnei, shape.nnei) : bare) {}
};

// Scratch memory of a pass.
template <typename T>
struct Scratch {
  Slots<T> slot;
  T* live;
  Matrix<T> features;
  Matrix<T> transposed;  // of the features
  Matrix<T> output;      // or its tangent
  Matrix<T> soft;
  Matrix<T> attention;  // then gradients by it and by the scores
  HeadRows<T> head;

  Slots<T> slot_grad = {};  // backward passes
  Matrix<T> grad_output;
  Matrix<T> grad_features;
  Matrix<T> grad_rows;  // by queries or messages
  Matrix<T> message_transposed;

  Slots<T> slot_tangent = {};  // double backward
  T* mean = nullptr;           // of logit tangents
  Matrix<T> features_tangent;
  Matrix<T> transposed_tangent;
  Matrix<T> attention_tangent;
  Matrix<T> outer_grad_rows;
  HeadRows<T> tangent;

  Scratch(const Shape& shape, int pass, Arena<T>* arena) {
    const int64_t n = shape.nnei, width = shape.width;
    slot = TakeSlots(n, arena);
    live = arena->Row(n);
    features = arena->Rows(n, width);
    transposed = arena->Rows(width, n);
    output = arena->Rows(n, width);
    soft = arena->Rows(n, n);
    attention = arena->Rows(n, n);
    head = HeadRows<T>(shape, arena);
    if (pass == kForward) return;
    slot_grad = TakeSlots(n, arena);
    grad_output = arena->Rows(n, width);
    grad_features = arena->Rows(n, width);
    grad_rows = arena->Rows(n, width);
    message_transposed = arena->Rows(width, n);
    if (pass == kBackward) return;
    slot_tangent = TakeSlots(n, arena);
    mean = arena->Row(n);
    features_tangent = arena->Rows(n, width);
    transposed_tangent = arena->Rows(width, n);
    attention_tangent = arena->Rows(n, n);
    outer_grad_rows = arena->Rows(n, width);
    tangent = HeadRows<T>(shape, arena);
  }
};

template <typename T>
void Pack(const PairAttentionCall<T>* call, T* block) {
  const Shape& shape = call->shape;
  Arena<T> arena(block);
  const PackedHeads<T> to(shape, &arena);
  memset(block, 0, arena.used() * sizeof(T));
  const int64_t width = shape.width;
  for (int64_t i = 0; i < shape.heads * width; ++i) {
    Copy(width, call->parameters.score + i * width, to.score.Row(i));
    Copy(width, call->parameters.message + i * width, to.message.Row(i));
  }
  for (int64_t h = 0; h < shape.heads; ++h) {
    Transpose(width, width, OfHead(shape, to.score, h), OfHead(shape, to.transposed.score, h));
    Transpose(width, width, OfHead(shape, to.message, h), OfHead(shape, to.transposed.message, h));
  }
}

template <typename T>
void WriteSums(const Shape* shape, const T* sums, int64_t number,
               const PairAttentionParameters<T>* out) {
  Arena<T> arena(const_cast<T*>(sums));
  const Heads<T> from(*shape, &arena);
  const int64_t width = shape->width, distance = arena.used();
  for (int64_t i = 0; i < shape->heads * width; ++i) {
    AddUp(width, from.score.Row(i), number, distance, out->score + i * width);
    AddUp(width, from.message.Row(i), number, distance, out->message + i * width);
  }
}

template <typename T>
int64_t PackedSize(const Shape* shape) {
  return SizeOf<PackedHeads<T>, T>(*shape);
}

template <typename T>
int64_t SumsSize(const Shape* shape) {
  return SizeOf<Heads<T>, T>(*shape);
}

template <typename T>
int64_t ScratchSize(const Shape* shape, int pass) {
  return SizeOf<Scratch<T>, T>(*shape, pass);
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_MEMORY_H_
