// From scores S to attention weights P, row by row, with two derivatives.
//
// With c the neighbors' weights and u their directions, P = P0 g d, where
//   P0 = softmax(L) along the row, L = S a + K (a − 1),
//   a = c' and g = c, or a = g = c c' and K = 20 in smooth mode (no mark: row, mark: column),
//   d = u·u'.
// Both modes are written as a = α c', g = c γ' with α and γ either c or 1. Without angles all
// directions are (1, 0, 0); the mask clears the diagonal of P and of gradients by P.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SCORES_H_
#define DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SCORES_H_

#include "slots.h"

namespace {

template <typename T>
struct Scores {
  int64_t n;       // slots
  int64_t padded;  // n in whole vectors
  bool mask;
  T depth;       // K
  T weightless;  // slots that have no column here
  T* live;       // 1 for slots, 0 in the padding
  Slots<T> slot;
  Slots<T> tangent;    // of the slots' numbers
  Slots<T> slot_grad;  // sums of the gradients by them

  Vec<T> Cosine(int64_t row, int64_t i) const {
    return slot.direction[0][row] * At(slot.direction[0] + i) +
           slot.direction[1][row] * At(slot.direction[1] + i) +
           slot.direction[2][row] * At(slot.direction[2] + i);
  }

  Vec<T> CosineTangent(int64_t row, int64_t i) const {
    Vec<T> sum = {};
    for (int x = 0; x < 3; ++x) {
      sum += tangent.direction[x][row] * At(slot.direction[x] + i) +
             slot.direction[x][row] * At(tangent.direction[x] + i);
    }
    return sum;
  }

  Vec<T> ScaleTangent(int64_t row, int64_t i) const {  // of a
    return tangent.alpha[row] * At(slot.weight + i) + slot.alpha[row] * At(tangent.weight + i);
  }

  Vec<T> GateTangent(int64_t row, int64_t i) const {  // of g
    return tangent.weight[row] * At(slot.gamma + i) + slot.weight[row] * At(tangent.gamma + i);
  }

  void ClearDiagonal(int64_t row, T* x) const {
    if (mask) x[row] = 0;
  }

  // Weightless slots have L = −K.
  void Softmax(int64_t row, const T* score, T* soft) const {
    const T alpha = slot.alpha[row];
    const Vec<T> lowest = Vec<T>{} + T(-3e38);
    Vec<T> highest = weightless > T(0) ? Vec<T>{} - depth : lowest;
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> a = alpha * At(slot.weight + i);
      const Vec<T> logit = At(score + i) * a + depth * (a - T(1));
      const Vec<T> counted = At(live + i) > T(0) ? logit : lowest;
      At(soft + i) = counted;
      highest = counted > highest ? counted : highest;
    }
    const T shift = Max<T>(highest);
    Vec<T> sums = {};
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> power = Exp<T>(At(soft + i) - shift);
      At(soft + i) = power;
      sums += power;
    }
    T rest = 0;
    if (weightless > T(0)) rest = weightless * Exp<T>(Vec<T>{} - (depth + shift))[0];
    const T inverse = T(1) / (Sum<T>(sums) + rest);
    for (int64_t i = 0; i < padded; i += kLanes<T>) At(soft + i) *= inverse;
  }

  // P; may be where P0 is.
  void Gate(int64_t row, const T* soft, T* attention) const {
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> gate = slot.weight[row] * At(slot.gamma + i) * Cosine(row, i);
      At(attention + i) = At(soft + i) * gate;
    }
    ClearDiagonal(row, attention);
  }

  // P and its tangent from the scores and theirs; returns the mean of L's tangent under P0.
  T GateTangents(int64_t row, const T* score, const T* score_tangent, const T* soft, T* attention,
                 T* attention_tangent) const {
    const T alpha = slot.alpha[row];
    Vec<T> sum = {};
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> logit_tangent = At(score_tangent + i) * (alpha * At(slot.weight + i)) +
                                   (At(score + i) + depth) * ScaleTangent(row, i);
      At(attention_tangent + i) = logit_tangent;
      sum += At(soft + i) * logit_tangent;
    }
    const T mean = Sum<T>(sum);
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> p = At(soft + i), cosine = Cosine(row, i);
      const Vec<T> g = slot.weight[row] * At(slot.gamma + i);
      const Vec<T> gate_tangent = GateTangent(row, i) * cosine + g * CosineTangent(row, i);
      At(attention + i) = p * (g * cosine);
      At(attention_tangent + i) =
          p * ((At(attention_tangent + i) - mean) * (g * cosine) + gate_tangent);
    }
    ClearDiagonal(row, attention);
    ClearDiagonal(row, attention_tangent);
    return mean;
  }

  // From the gradient by P, in place, that by S; adds those by the slots' numbers.
  void Backward(int64_t row, const T* score, const T* soft, T* grad_row) const {
    ClearDiagonal(row, grad_row);
    const T alpha = slot.alpha[row], weight = slot.weight[row];
    Vec<T> sum = {};
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> gate = weight * At(slot.gamma + i) * Cosine(row, i);
      sum += At(grad_row + i) * gate * At(soft + i);
    }
    const T mean = Sum<T>(sum);
    Vec<T> grad_alpha = {}, grad_weight = {}, grad_direction[3] = {};
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> p = At(soft + i), grad_p = At(grad_row + i), cosine = Cosine(row, i);
      const Vec<T> g = weight * At(slot.gamma + i);
      const Vec<T> grad_logit = p * (grad_p * (g * cosine) - mean);
      const Vec<T> grad_a = grad_logit * (At(score + i) + depth);
      const Vec<T> grad_gate = grad_p * p;
      const Vec<T> grad_g = grad_gate * cosine, grad_cosine = grad_gate * g;
      At(grad_row + i) = grad_logit * (alpha * At(slot.weight + i));
      grad_alpha += grad_a * At(slot.weight + i);
      grad_weight += grad_g * At(slot.gamma + i);
      At(slot_grad.weight + i) += alpha * grad_a;
      At(slot_grad.gamma + i) += weight * grad_g;
      for (int x = 0; x < 3; ++x) {
        grad_direction[x] += grad_cosine * At(slot.direction[x] + i);
        At(slot_grad.direction[x] + i) += slot.direction[x][row] * grad_cosine;
      }
    }
    AddRow(row, grad_alpha, grad_weight, grad_direction);
  }

  // The same a derivative further. In: the gradients by P (`outer_grad_row`) and by its tangent
  // (`grad_row`), and the result of `GateTangents`. In the same places those by S and its tangent.
  // Locally, grad_x is ∂M/∂x, also of tangents.
  void Reverse(int64_t row, const T* score, const T* score_tangent, const T* soft,
               T logit_tangent_mean, T* outer_grad_row, T* grad_row) const {
    ClearDiagonal(row, outer_grad_row);
    ClearDiagonal(row, grad_row);
    const T alpha = slot.alpha[row], weight = slot.weight[row];
    Vec<T> grad_sum = {}, outer_grad_sum = {};
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> p = At(soft + i), cosine = Cosine(row, i);
      const Vec<T> g = weight * At(slot.gamma + i), gate = g * cosine;
      const Vec<T> gate_tangent = GateTangent(row, i) * cosine + g * CosineTangent(row, i);
      const Vec<T> logit_tangent = At(score_tangent + i) * (alpha * At(slot.weight + i)) +
                                   (At(score + i) + depth) * ScaleTangent(row, i);
      const Vec<T> grad_soft_tangent = At(grad_row + i) * gate;
      grad_sum += p * grad_soft_tangent;
      outer_grad_sum += p * (At(outer_grad_row + i) * gate + At(grad_row + i) * gate_tangent +
                             grad_soft_tangent * (logit_tangent - logit_tangent_mean));
    }
    const T grad_mean = Sum<T>(grad_sum);
    const T outer_grad_mean = Sum<T>(outer_grad_sum) - grad_mean * logit_tangent_mean;
    Vec<T> grad_alpha = {}, grad_weight = {}, grad_direction[3] = {};
    for (int64_t i = 0; i < padded; i += kLanes<T>) {
      const Vec<T> p = At(soft + i), cosine = Cosine(row, i);
      const Vec<T> cosine_tangent = CosineTangent(row, i);
      const Vec<T> a = alpha * At(slot.weight + i), a_tangent = ScaleTangent(row, i);
      const Vec<T> g = weight * At(slot.gamma + i), g_tangent = GateTangent(row, i);
      const Vec<T> deep = At(score + i) + depth;
      const Vec<T> logit_tangent = At(score_tangent + i) * a + deep * a_tangent;
      const Vec<T> lift = logit_tangent - logit_tangent_mean;
      const Vec<T> grad_p = At(outer_grad_row + i), grad_p_tangent = At(grad_row + i);

      const Vec<T> grad_soft_tangent = grad_p_tangent * (g * cosine);
      const Vec<T> grad_soft = grad_p * (g * cosine) +
                               grad_p_tangent * (g_tangent * cosine + g * cosine_tangent) +
                               grad_soft_tangent * lift - grad_mean * logit_tangent;
      const Vec<T> grad_logit = p * (grad_soft - outer_grad_mean);
      const Vec<T> grad_logit_tangent = p * (grad_soft_tangent - grad_mean);
      At(outer_grad_row + i) = grad_logit * a + grad_logit_tangent * a_tangent;
      At(grad_row + i) = grad_logit_tangent * a;

      const Vec<T> grad_a = grad_logit * deep + grad_logit_tangent * At(score_tangent + i);
      const Vec<T> grad_a_tangent = grad_logit_tangent * deep;
      const Vec<T> grad_gate_tangent = grad_p_tangent * p;
      const Vec<T> grad_gate = grad_p * p + grad_gate_tangent * lift;
      const Vec<T> grad_g = grad_gate * cosine + grad_gate_tangent * cosine_tangent;
      const Vec<T> grad_g_tangent = grad_gate_tangent * cosine;
      const Vec<T> grad_cosine = grad_gate * g + grad_gate_tangent * g_tangent;
      const Vec<T> grad_cosine_tangent = grad_gate_tangent * g;

      grad_alpha += grad_a * At(slot.weight + i) + grad_a_tangent * At(tangent.weight + i);
      grad_weight += grad_g * At(slot.gamma + i) + grad_g_tangent * At(tangent.gamma + i);
      At(slot_grad.weight + i) += alpha * grad_a + tangent.alpha[row] * grad_a_tangent;
      At(slot_grad.gamma + i) += weight * grad_g + tangent.weight[row] * grad_g_tangent;
      for (int x = 0; x < 3; ++x) {
        grad_direction[x] += grad_cosine * At(slot.direction[x] + i) +
                             grad_cosine_tangent * At(tangent.direction[x] + i);
        At(slot_grad.direction[x] + i) +=
            slot.direction[x][row] * grad_cosine + tangent.direction[x][row] * grad_cosine_tangent;
      }
    }
    AddRow(row, grad_alpha, grad_weight, grad_direction);
  }

 private:
  void AddRow(int64_t row, Vec<T> grad_alpha, Vec<T> grad_weight,
              const Vec<T>* grad_direction) const {
    slot_grad.alpha[row] += Sum<T>(grad_alpha);
    slot_grad.weight[row] += Sum<T>(grad_weight);
    for (int x = 0; x < 3; ++x) slot_grad.direction[x][row] += Sum<T>(grad_direction[x]);
  }
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ATTENTION_SCORES_H_
