// Back from attention weights to scores and to the slots' numbers, with a second derivative.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_SCORE_GRADIENTS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_SCORE_GRADIENTS_H_

#include "neighborhood.h"

namespace deepattn {

// The gradients by weights and directions of the slots, first as columns and then as rows, from
// those that gradient(j, i) tells, which `store` may then overwrite.
template <typename Call, typename Gradient, typename Store>
DEEPATTN_DEVICE void SlotGradients(const Neighborhood<Call>& at,
                                   const Scores<typename Neighborhood<Call>::T>& scores,
                                   bool tangents, const Gradient& gradient, const Store& store) {
  using T = typename Neighborhood<Call>::T;
  T *grad_weight = at.call.grad_weight + at.first,
    *grad_direction = at.call.grad_direction + 3 * at.first;
  at.block.Each(at.nnei - at.n, [&](int64_t item) {
    const int64_t j = at.n + item;
    grad_weight[j] = T(0);
    for (int x = 0; x < 3; ++x) grad_direction[3 * j + x] = T(0);
  });
  ColumnSums<T, 4>(
      at.block, at.Partial(), at.n, at.n,
      [&](int j, int i, Numbers<T, 4>* sum) {
        scores.AddToColumn(j, gradient(j, i), tangents, sum);
      },
      [&](int i, const Numbers<T, 4>& sum) {
        grad_weight[i] = sum[0];
        for (int x = 0; x < 3; ++x) grad_direction[3 * i + x] = sum[1 + x];
      });
  EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
    const auto sum = lanes.template Sums<T, 4>(at.n, [&](int i, Numbers<T, 4>* terms) {
      const ScoreGradient<T> grad = gradient(j, i);
      scores.AddToRow(i, grad, tangents, terms);
      store(j, i, grad);
    });
    lanes.Once([&] {
      grad_weight[j] += sum[0];
      for (int x = 0; x < 3; ++x) grad_direction[3 * j + x] += sum[1 + x];
    });
  });
}

// From the gradients by attention weights, in place, those by scores; and the gradients by the
// slots' numbers.
template <typename Call>
DEEPATTN_FUNCTION void ScoresBackward(const Neighborhood<Call>& at,
                                      const Matrix<typename Neighborhood<Call>::T>& grad_score) {
  using T = typename Neighborhood<Call>::T;
  const Scores<T> scores = at.MakeScores();
  T* sum = at.RowSum(0);
  EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
    const T *soft = at.Soft().Row(j), *grad_p = grad_score.Row(j);
    const T total = lanes.template Sum<T>(
        at.n, [&](int i) { return scores.BackwardTerm(j, i, soft[i], grad_p[i]); });
    lanes.Once([&] { sum[j] = total; });
  });
  const auto gradient = [&](int j, int i) {
    return scores.Backward(j, i, at.Score().Row(j)[i], at.Soft().Row(j)[i], sum[j],
                           grad_score.Row(j)[i]);
  };
  SlotGradients(at, scores, false, gradient, [&](int j, int i, const ScoreGradient<T>& grad) {
    grad_score.Row(j)[i] = grad.grad_score;
  });
}

// The same in the reverse pass: in place the gradients by scores and by their tangents.
template <typename Call>
DEEPATTN_FUNCTION void ScoresReverse(const Neighborhood<Call>& at,
                                     const Matrix<typename Neighborhood<Call>::T>& outer_grad_score,
                                     const Matrix<typename Neighborhood<Call>::T>& grad_score) {
  using T = typename Neighborhood<Call>::T;
  const Scores<T> scores = at.MakeScores();
  T *grad_sum = at.RowSum(0), *outer_grad_sum = at.RowSum(1);
  const T* mean = at.Mean();
  EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
    const T *score = at.Score().Row(j), *tangent = at.ScoreTangent().Row(j),
            *soft = at.Soft().Row(j);
    const auto total = lanes.template Sums<T, 2>(at.n, [&](int i, Numbers<T, 2>* terms) {
      scores.ReverseTerms(j, i, score[i], tangent[i], soft[i], mean[j], outer_grad_score.Row(j)[i],
                          grad_score.Row(j)[i], terms);
    });
    lanes.Once([&] {
      grad_sum[j] = total[0];
      outer_grad_sum[j] = total[1];
    });
  });
  const auto gradients = [&](int j, int i) {
    return scores.Reverse(j, i, at.Score().Row(j)[i], at.ScoreTangent().Row(j)[i],
                          at.Soft().Row(j)[i], mean[j], grad_sum[j], outer_grad_sum[j],
                          outer_grad_score.Row(j)[i], grad_score.Row(j)[i]);
  };
  SlotGradients(at, scores, true, gradients, [&](int j, int i, const ScoreGradient<T>& grad) {
    outer_grad_score.Row(j)[i] = grad.grad_score;
    grad_score.Row(j)[i] = grad.grad_score_tangent;
  });
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_SCORE_GRADIENTS_H_
