// Scores times the products d of their slots' vectors, row by row, with two derivatives.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_GATE_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_GATE_H_

#include "kernels/cpu/attention/scores.h"

namespace {

template <typename T>
class ScoreGate {
 public:
  // Gradients by vectors are added to the slots' of `scores`.
  explicit ScoreGate(const Scores<T>& scores) : of_(scores) {}

  void Forward(int64_t row, const T* bare, T* score) const {
    for (int64_t i = 0; i < of_.padded; i += kLanes<T>) {
      At(score + i) = At(bare + i) * of_.Cosine(row, i);
    }
  }

  void Tangent(int64_t row, const T* bare, const T* bare_tangent, T* score_tangent) const {
    for (int64_t i = 0; i < of_.padded; i += kLanes<T>) {
      At(score_tangent + i) =
          At(bare_tangent + i) * of_.Cosine(row, i) + At(bare + i) * of_.CosineTangent(row, i);
    }
  }

  // From the gradient by scores, in place, that by bare ones.
  void Backward(int64_t row, const T* bare, T* grad) const {
    Vec<T> grad_direction[3] = {};
    for (int64_t i = 0; i < of_.padded; i += kLanes<T>) {
      const Vec<T> grad_cosine = At(grad + i) * At(bare + i);
      for (int x = 0; x < 3; ++x) {
        grad_direction[x] += grad_cosine * At(of_.slot.direction[x] + i);
        At(of_.slot_grad.direction[x] + i) += of_.slot.direction[x][row] * grad_cosine;
      }
      At(grad + i) *= of_.Cosine(row, i);
    }
    AddRow(row, grad_direction);
  }

  // From the gradients by scores (`outer_grad`) and by their tangents (`grad`), in place, those by
  // bare ones and their tangents.
  void Reverse(int64_t row, const T* bare, const T* bare_tangent, T* outer_grad, T* grad) const {
    Vec<T> grad_direction[3] = {};
    for (int64_t i = 0; i < of_.padded; i += kLanes<T>) {
      const Vec<T> by_score = At(outer_grad + i), by_tangent = At(grad + i);
      const Vec<T> grad_cosine = by_score * At(bare + i) + by_tangent * At(bare_tangent + i);
      const Vec<T> grad_cosine_tangent = by_tangent * At(bare + i);
      for (int x = 0; x < 3; ++x) {
        grad_direction[x] += grad_cosine * At(of_.slot.direction[x] + i) +
                             grad_cosine_tangent * At(of_.tangent.direction[x] + i);
        At(of_.slot_grad.direction[x] + i) += of_.slot.direction[x][row] * grad_cosine +
                                              of_.tangent.direction[x][row] * grad_cosine_tangent;
      }
      const Vec<T> cosine = of_.Cosine(row, i);
      At(outer_grad + i) = by_score * cosine + by_tangent * of_.CosineTangent(row, i);
      At(grad + i) = by_tangent * cosine;
    }
    AddRow(row, grad_direction);
  }

 private:
  void AddRow(int64_t row, const Vec<T>* grad_direction) const {
    for (int x = 0; x < 3; ++x) of_.slot_grad.direction[x][row] += Sum<T>(grad_direction[x]);
  }

  const Scores<T>& of_;
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_ATTENTION_GATE_H_
