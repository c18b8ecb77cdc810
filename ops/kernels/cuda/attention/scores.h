// From scores S to attention weights P with two derivatives, as in the CPU's kernel:
//
//   P = P0 g d, P0 = softmax(L) along the row, L = S a + K (a − 1), d = u·u',
//   a = c' and g = c, or a = g = c c' and K = 20 in smooth mode (no mark: row, mark: column),
//
// with c the neighbors' weights and u their directions. Both modes are written as a = α c' and
// g = c γ', where α = γ is c or 1. Without angles d is 1; the mask clears the diagonal of P.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_SCORES_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_SCORES_H_

#include <math.h>

#include "kernels/cuda/rows.h"

namespace deepattn {

// What belongs to the slots of an atom, or its tangent.
template <typename T>
struct Slots {
  const T* weight;     // c
  const T* direction;  // u
  bool smooth;
  T constant;  // α where it does not depend on the slot

  DEEPATTN_DEVICE T Alpha(int j) const { return smooth ? weight[j] : constant; }
};

// The gradients by what makes one attention weight.
template <typename T>
struct ScoreGradient {
  T grad_score;
  T grad_score_tangent;
  T grad_a;
  T grad_a_tangent;
  T grad_g;
  T grad_g_tangent;
  T grad_cosine;
  T grad_cosine_tangent;
};

template <typename T>
struct Scores {
  int n;
  bool mask;
  bool dotr;
  T depth;       // K
  T weightless;  // slots that have no column here
  Slots<T> slot;
  Slots<T> tangent;

  DEEPATTN_DEVICE T Scale(int row, int i) const { return slot.Alpha(row) * slot.weight[i]; }
  DEEPATTN_DEVICE T Gate(int row, int i) const { return slot.weight[row] * slot.Alpha(i); }

  DEEPATTN_DEVICE T ScaleTangent(int row, int i) const {
    return tangent.Alpha(row) * slot.weight[i] + slot.Alpha(row) * tangent.weight[i];
  }

  DEEPATTN_DEVICE T GateTangent(int row, int i) const {
    return tangent.weight[row] * slot.Alpha(i) + slot.weight[row] * tangent.Alpha(i);
  }

  DEEPATTN_DEVICE T Cosine(int row, int i) const {
    return dotr ? Dot(slot.direction + 3 * row, slot.direction + 3 * i) : T(1);
  }

  DEEPATTN_DEVICE T CosineTangent(int row, int i) const {
    if (!dotr) return T(0);
    return Dot(tangent.direction + 3 * row, slot.direction + 3 * i) +
           Dot(slot.direction + 3 * row, tangent.direction + 3 * i);
  }

  DEEPATTN_DEVICE bool Barred(int row, int i) const { return mask && row == i; }

  // P0 of a row. Weightless slots have L = −K, which no L is below.
  DEEPATTN_DEVICE void Softmax(const Lanes& lanes, int row, const T* score, T* soft) const {
    const T shift = lanes.template Reduce<T, 1>(
        n, -depth,
        [&](int i, Numbers<T, 1>* highest) {
          const T a = Scale(row, i);
          const T logit = score[i] * a + depth * (a - T(1));
          soft[i] = logit;
          if (logit > (*highest)[0]) (*highest)[0] = logit;
        },
        [](T a, T b) { return a > b ? a : b; })[0];
    const T sum = lanes.template Sum<T>(n, [&](int i) {
      const T power = exp(soft[i] - shift);
      soft[i] = power;
      return power;
    });
    const T inverse = T(1) / (sum + weightless * exp(-(depth + shift)));
    lanes.Each(n, [&](int i) { soft[i] *= inverse; });
  }

  // P.
  DEEPATTN_DEVICE T Attention(int row, int i, T soft) const {
    return Barred(row, i) ? T(0) : soft * (Gate(row, i) * Cosine(row, i));
  }

  DEEPATTN_DEVICE T LogitTangent(int row, int i, T score, T score_tangent) const {
    return score_tangent * Scale(row, i) + (score + depth) * ScaleTangent(row, i);
  }

  // The tangent of P; `mean` is that of L's tangent under P0.
  DEEPATTN_DEVICE T AttentionTangent(int row, int i, T score, T score_tangent, T soft,
                                     T mean) const {
    if (Barred(row, i)) return T(0);
    const T cosine = Cosine(row, i), g = Gate(row, i);
    const T gate_tangent = GateTangent(row, i) * cosine + g * CosineTangent(row, i);
    return soft *
           ((LogitTangent(row, i, score, score_tangent) - mean) * (g * cosine) + gate_tangent);
  }

  // What the first gradient must know of a whole row: the sum over i of this.
  DEEPATTN_DEVICE T BackwardTerm(int row, int i, T soft, T grad_p) const {
    return Barred(row, i) ? T(0) : grad_p * (Gate(row, i) * Cosine(row, i)) * soft;
  }

  // The gradients of one weight P from that by it.
  DEEPATTN_DEVICE ScoreGradient<T> Backward(int row, int i, T score, T soft, T sum,
                                            T grad_p) const {
    if (Barred(row, i)) grad_p = T(0);
    const T cosine = Cosine(row, i), g = Gate(row, i);
    const T grad_logit = soft * (grad_p * (g * cosine) - sum);
    ScoreGradient<T> grad = {};
    grad.grad_score = grad_logit * Scale(row, i);
    grad.grad_a = grad_logit * (score + depth);
    grad.grad_g = grad_p * soft * cosine;
    grad.grad_cosine = grad_p * soft * g;
    return grad;
  }

  // The same a derivative further, from the gradients by P (`outer_grad_p`) and by its tangent
  // (`grad_p`). To `sums` are added what must be known of a whole row.
  DEEPATTN_DEVICE void ReverseTerms(int row, int i, T score, T score_tangent, T soft, T mean,
                                    T outer_grad_p, T grad_p, Numbers<T, 2>* sums) const {
    if (Barred(row, i)) return;
    const T cosine = Cosine(row, i), g = Gate(row, i), gate = g * cosine;
    const T gate_tangent = GateTangent(row, i) * cosine + g * CosineTangent(row, i);
    const T lift = LogitTangent(row, i, score, score_tangent) - mean;
    const T grad_soft_tangent = grad_p * gate;
    (*sums)[0] += soft * grad_soft_tangent;
    (*sums)[1] += soft * (outer_grad_p * gate + grad_p * gate_tangent + grad_soft_tangent * lift);
  }

  DEEPATTN_DEVICE ScoreGradient<T> Reverse(int row, int i, T score, T score_tangent, T soft, T mean,
                                           T grad_sum, T outer_grad_sum, T outer_grad_p,
                                           T grad_p) const {
    if (Barred(row, i)) outer_grad_p = grad_p = T(0);
    const T cosine = Cosine(row, i), cosine_tangent = CosineTangent(row, i);
    const T a = Scale(row, i), a_tangent = ScaleTangent(row, i);
    const T g = Gate(row, i), g_tangent = GateTangent(row, i);
    const T deep = score + depth;
    const T logit_tangent = score_tangent * a + deep * a_tangent;
    const T lift = logit_tangent - mean;
    const T grad_soft_tangent = grad_p * (g * cosine);
    const T grad_soft = outer_grad_p * (g * cosine) +
                        grad_p * (g_tangent * cosine + g * cosine_tangent) +
                        grad_soft_tangent * lift - grad_sum * logit_tangent;
    const T grad_logit = soft * (grad_soft - (outer_grad_sum - grad_sum * mean));
    const T grad_logit_tangent = soft * (grad_soft_tangent - grad_sum);
    const T grad_gate_tangent = grad_p * soft;
    const T grad_gate = outer_grad_p * soft + grad_gate_tangent * lift;
    ScoreGradient<T> grad;
    grad.grad_score = grad_logit * a + grad_logit_tangent * a_tangent;
    grad.grad_score_tangent = grad_logit_tangent * a;
    grad.grad_a = grad_logit * deep + grad_logit_tangent * score_tangent;
    grad.grad_a_tangent = grad_logit_tangent * deep;
    grad.grad_g = grad_gate * cosine + grad_gate_tangent * cosine_tangent;
    grad.grad_g_tangent = grad_gate_tangent * cosine;
    grad.grad_cosine = grad_gate * g + grad_gate_tangent * g_tangent;
    grad.grad_cosine_tangent = grad_gate_tangent * g;
    return grad;
  }

  // Adds to `sums` the gradients by weight and direction of slot i, where it is a column: the
  // second of two such numbers is of the tangents.
  DEEPATTN_DEVICE void AddToColumn(int row, const ScoreGradient<T>& grad, bool tangents,
                                   Numbers<T, 4>* sums) const {
    AddTerms(slot, row, grad.grad_a, grad.grad_g, grad.grad_cosine, sums);
    if (tangents) {
      AddTerms(tangent, row, grad.grad_a_tangent, grad.grad_g_tangent, grad.grad_cosine_tangent,
               sums);
    }
  }

  // Likewise of slot `row`, where it is a row, and column i.
  DEEPATTN_DEVICE void AddToRow(int i, const ScoreGradient<T>& grad, bool tangents,
                                Numbers<T, 4>* sums) const {
    AddTerms(slot, i, grad.grad_g, grad.grad_a, grad.grad_cosine, sums);
    if (tangents) {
      AddTerms(tangent, i, grad.grad_g_tangent, grad.grad_a_tangent, grad.grad_cosine_tangent,
               sums);
    }
  }

 private:
  static DEEPATTN_DEVICE T Dot(const T* u, const T* v) {
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  }

  // With `other` the slot on the other side of the weight: what multiplies its α and its c there.
  DEEPATTN_DEVICE void AddTerms(const Slots<T>& of, int other, T grad_alpha_product,
                                T grad_weight_product, T grad_cosine, Numbers<T, 4>* sums) const {
    (*sums)[0] += of.Alpha(other) * grad_alpha_product;
    if (slot.smooth) (*sums)[0] += of.weight[other] * grad_weight_product;
    if (!dotr) return;
    for (int x = 0; x < 3; ++x) (*sums)[1 + x] += grad_cosine * of.direction[3 * other + x];
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_SCORES_H_
