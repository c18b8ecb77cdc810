// The three passes over a block of rows: forward, gradient, and the gradient's gradient. The last
// two compute the layers again; nothing is kept between passes.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_PASSES_H_

#include "row_block.h"

namespace deepattn {

template <typename Call>
DEEPATTN_DEVICE void EmbeddingForward(const RowBlock<Call>& at) {
  using T = typename RowBlock<Call>::T;
  at.ComputeLayers();
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    const T* row = at.Row(at.nlayers).Row(r);
    T* out = at.Rows(at.call.out, at.width).Row(r);
    if (!at.Scaled()) {
      lanes.Each(at.width, [&](int i) { out[i] = row[i]; });
      return;
    }
    const T* factor = at.Factor(r);
    const T weight = at.Weight(r);
    lanes.Each(at.width, [&](int i) { out[i] = row[i] * (T(1) + weight * factor[i]); });
  });
}

// Gradients by the result of the last layer, and by weights and factors.
template <typename Call>
DEEPATTN_FUNCTION void FactorGradient(const RowBlock<Call>& at) {
  using T = typename RowBlock<Call>::T;
  const Matrix<const T> grad = at.Rows(at.call.grad, at.width), row = at.Row(at.nlayers);
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    const T* by_out = grad.Row(r);
    T* dual = at.Dual(at.nlayers).Row(r);
    if (!at.Scaled()) {
      lanes.Each(at.width, [&](int i) { dual[i] = by_out[i]; });
      return;
    }
    const T* factor = at.Factor(r);
    const T weight = at.Weight(r);
    const T by_weight = lanes.template Sum<T>(at.width, [&](int i) {
      dual[i] = by_out[i] * (T(1) + weight * factor[i]);
      return by_out[i] * row.Row(r)[i] * factor[i];
    });
    lanes.Once([&] { at.call.out_weight[at.first + r] = at.Checked(r, by_weight); });
  });
  if (at.sums == nullptr || !at.Scaled()) return;
  at.AddFactorSums([&](int r, int i) { return at.Weight(r) * grad.Row(r)[i] * row.Row(r)[i]; });
}

// From the gradient by the result of layer k those by its parameters and by what goes into it,
// `by_row`.
template <typename Call, typename T>
DEEPATTN_FUNCTION void LayerGradient(const RowBlock<Call>& at, int k, const Matrix<T>& by_row) {
  const int in = at.Width(k), out = at.Width(k + 1);
  const Matrix<T> dual = at.Dual(k + 1), by_hidden = at.ByHidden(), hidden = at.Hidden(k);
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    lanes.Each(out, [&](int i) {
      const T h = hidden.Row(r)[i];
      by_hidden.Row(r)[i] = dual.Row(r)[i] * at.Step(k, i) * (T(1) - h * h);
    });
  });
  if (at.sums != nullptr) {
    at.AddLayerSums(
        k, [&](int r, int i) { return by_hidden.Row(r)[i]; },
        [&](int r, int i) { return dual.Row(r)[i] * hidden.Row(r)[i]; });
    TransposedTimes(at.block, in, out, at.n, at.Row(k), by_hidden, at.MatrixSum(k), kAdd);
  }
  at.Back(k, by_hidden, dual, by_row);
}

template <typename Call>
DEEPATTN_DEVICE void EmbeddingGradient(const RowBlock<Call>& at) {
  at.ComputeLayers();
  FactorGradient(at);
  for (int k = at.nlayers - 1; k >= 0; --k) {
    LayerGradient(at, k, k == 0 ? at.Rows(at.call.out_input, at.Width(0)) : at.Dual(k));
  }
}

// The tangent of the output, and from its gradient `grad` those by the result of the last layer and
// by its tangent, by weights and by factors.
template <typename Call>
DEEPATTN_FUNCTION void FactorGradients(const RowBlock<Call>& at) {
  using T = typename RowBlock<Call>::T;
  const Matrix<const T> grad = at.Rows(at.call.grad, at.width), row = at.Row(at.nlayers);
  const Matrix<const T> tangent = at.Tangent(at.nlayers);
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    const T *by_out = grad.Row(r), *x = row.Row(r), *moved = tangent.Row(r);
    T *dual = at.Dual(at.nlayers).Row(r), *second = at.Second(at.nlayers).Row(r);
    T* out = at.Rows(at.call.out, at.width).Row(r);
    if (!at.Scaled()) {
      lanes.Each(at.width, [&](int i) {
        out[i] = moved[i];
        dual[i] = by_out[i];
        second[i] = T(0);
      });
      return;
    }
    const T* factor = at.Factor(r);
    const T weight = at.Weight(r);
    const T weight_tangent = at.call.bar_weight[at.first + r];
    const T by_weight = lanes.template Sum<T>(at.width, [&](int i) {
      const T scale = T(1) + weight * factor[i], scale_tangent = weight_tangent * factor[i];
      out[i] = scale * moved[i] + scale_tangent * x[i];
      second[i] = by_out[i] * scale_tangent;
      dual[i] = by_out[i] * scale;
      return by_out[i] * moved[i] * factor[i];
    });
    lanes.Once([&] { at.call.out_weight[at.first + r] = at.Checked(r, by_weight); });
  });
  if (!at.Scaled()) return;
  at.AddFactorSums([&](int r, int i) {
    return grad.Row(r)[i] *
           (at.Weight(r) * tangent.Row(r)[i] + at.call.bar_weight[at.first + r] * row.Row(r)[i]);
  });
}

template <typename Call, typename T>
DEEPATTN_FUNCTION void LayerGradients(const RowBlock<Call>& at, int k, const Matrix<T>& by_row) {
  const int in = at.Width(k), out = at.Width(k + 1);
  const Matrix<T> dual = at.Dual(k + 1), second = at.Second(k + 1);
  const Matrix<T> by_hidden = at.ByHidden(), by_second = at.ByHiddenSecond();
  const Matrix<T> hidden = at.Hidden(k), tangent = at.HiddenTangent(k);
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    lanes.Each(out, [&](int i) {
      const T h = hidden.Row(r)[i], slope = T(1) - h * h, step = at.Step(k, i);
      // h' = slope x', and the slope itself changes by -2 h h'.
      const T d = dual.Row(r)[i] * step, s = second.Row(r)[i] * step;
      by_hidden.Row(r)[i] = d * slope;
      by_second.Row(r)[i] = s * slope - T(2) * d * h * tangent.Row(r)[i];
    });
  });
  at.AddLayerSums(
      k, [&](int r, int i) { return by_second.Row(r)[i]; },
      [&](int r, int i) {
        return second.Row(r)[i] * hidden.Row(r)[i] + dual.Row(r)[i] * tangent.Row(r)[i];
      });
  TransposedTimes(at.block, in, out, at.n, at.Row(k), by_second, at.MatrixSum(k), kAdd);
  TransposedTimes(at.block, in, out, at.n, at.Tangent(k), by_hidden, at.MatrixSum(k), kAdd);
  // The gradient by the tangent of the input is known from the pass before.
  if (k > 0) at.Back(k, by_hidden, dual, at.Dual(k));
  at.Back(k, by_second, second, by_row);
}

template <typename Call>
DEEPATTN_DEVICE void EmbeddingGradientOfGradient(const RowBlock<Call>& at) {
  at.ComputeLayers();
  at.ComputeTangents();
  FactorGradients(at);
  for (int k = at.nlayers - 1; k >= 0; --k) {
    LayerGradients(at, k, k == 0 ? at.Rows(at.call.out_input, at.Width(0)) : at.Second(k));
  }
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_PASSES_H_
