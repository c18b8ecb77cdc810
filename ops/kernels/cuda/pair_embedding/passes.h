// The three passes over a block of rows. The last two compute the layers again; nothing is saved
// between passes.
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
    T* out = at.Rows(at.call.output, at.width).Row(r);
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
DEEPATTN_FUNCTION void FactorBackward(const RowBlock<Call>& at) {
  using T = typename RowBlock<Call>::T;
  const Matrix<const T> grad = at.Rows(at.call.grad_output, at.width), row = at.Row(at.nlayers);
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    const T* grad_out = grad.Row(r);
    T* grad_next = at.GradRow(at.nlayers).Row(r);
    if (!at.Scaled()) {
      lanes.Each(at.width, [&](int i) { grad_next[i] = grad_out[i]; });
      return;
    }
    const T* factor = at.Factor(r);
    const T weight = at.Weight(r);
    const T grad_weight = lanes.template Sum<T>(at.width, [&](int i) {
      grad_next[i] = grad_out[i] * (T(1) + weight * factor[i]);
      return grad_out[i] * row.Row(r)[i] * factor[i];
    });
    lanes.Once([&] { at.call.grad_weight[at.first + r] = at.Checked(r, grad_weight); });
  });
  if (at.sums == nullptr || !at.Scaled()) return;
  at.AddFactorSums([&](int r, int i) { return at.Weight(r) * grad.Row(r)[i] * row.Row(r)[i]; });
}

// From the gradient by the result of layer k those by its parameters and by what goes into it,
// `grad_row`.
template <typename Call, typename T>
DEEPATTN_FUNCTION void LayerBackward(const RowBlock<Call>& at, int k, const Matrix<T>& grad_row) {
  const int in = at.Width(k), out = at.Width(k + 1);
  const Matrix<T> grad_next = at.GradRow(k + 1), grad_hidden = at.GradHidden(),
                  hidden = at.Hidden(k);
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    lanes.Each(out, [&](int i) {
      const T h = hidden.Row(r)[i];
      grad_hidden.Row(r)[i] = grad_next.Row(r)[i] * at.Step(k, i) * (T(1) - h * h);
    });
  });
  if (at.sums != nullptr) {
    at.AddLayerSums(
        k, [&](int r, int i) { return grad_hidden.Row(r)[i]; },
        [&](int r, int i) { return grad_next.Row(r)[i] * hidden.Row(r)[i]; });
    TransposedTimes(at.block, in, out, at.n, at.Row(k), grad_hidden, at.MatrixSum(k), kAdd);
  }
  at.Back(k, grad_hidden, grad_next, grad_row);
}

template <typename Call>
DEEPATTN_DEVICE void EmbeddingBackward(const RowBlock<Call>& at) {
  at.ComputeLayers();
  FactorBackward(at);
  for (int k = at.nlayers - 1; k >= 0; --k) {
    LayerBackward(at, k, k == 0 ? at.Rows(at.call.grad_input, at.Width(0)) : at.GradRow(k));
  }
}

// The tangent of the output, and from its gradient `grad` those by the result of the last layer and
// by its tangent, by weights and by factors.
template <typename Call>
DEEPATTN_FUNCTION void FactorDoubleBackward(const RowBlock<Call>& at) {
  using T = typename RowBlock<Call>::T;
  const Matrix<const T> grad = at.Rows(at.call.grad_output, at.width), row = at.Row(at.nlayers);
  const Matrix<const T> tangent = at.Tangent(at.nlayers);
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    const T *grad_out = grad.Row(r), *x = row.Row(r), *moved = tangent.Row(r);
    T *grad_next = at.GradRow(at.nlayers).Row(r),
      *outer_grad_next = at.OuterGradRow(at.nlayers).Row(r);
    T* out = at.Rows(at.call.grad_grad_output, at.width).Row(r);
    if (!at.Scaled()) {
      lanes.Each(at.width, [&](int i) {
        out[i] = moved[i];
        grad_next[i] = grad_out[i];
        outer_grad_next[i] = T(0);
      });
      return;
    }
    const T* factor = at.Factor(r);
    const T weight = at.Weight(r);
    const T weight_tangent = at.call.grad_grad_weight[at.first + r];
    const T grad_weight = lanes.template Sum<T>(at.width, [&](int i) {
      const T scale = T(1) + weight * factor[i], scale_tangent = weight_tangent * factor[i];
      out[i] = scale * moved[i] + scale_tangent * x[i];
      outer_grad_next[i] = grad_out[i] * scale_tangent;
      grad_next[i] = grad_out[i] * scale;
      return grad_out[i] * moved[i] * factor[i];
    });
    lanes.Once([&] { at.call.grad_weight[at.first + r] = at.Checked(r, grad_weight); });
  });
  if (!at.Scaled()) return;
  at.AddFactorSums([&](int r, int i) {
    return grad.Row(r)[i] * (at.Weight(r) * tangent.Row(r)[i] +
                             at.call.grad_grad_weight[at.first + r] * row.Row(r)[i]);
  });
}

template <typename Call, typename T>
DEEPATTN_FUNCTION void LayerDoubleBackward(const RowBlock<Call>& at, int k,
                                           const Matrix<T>& grad_row) {
  const int in = at.Width(k), out = at.Width(k + 1);
  const Matrix<T> grad_next = at.GradRow(k + 1), outer_grad_next = at.OuterGradRow(k + 1);
  const Matrix<T> grad_hidden = at.GradHidden(), outer_grad_hidden = at.OuterGradHidden();
  const Matrix<T> hidden = at.Hidden(k), tangent = at.HiddenTangent(k);
  EachRow(at.block, at.n, [&](int r, const Lanes& lanes) {
    lanes.Each(out, [&](int i) {
      const T h = hidden.Row(r)[i], slope = T(1) - h * h, step = at.Step(k, i);
      // h' = slope x', and the slope itself changes by -2 h h'.
      const T d = grad_next.Row(r)[i] * step, s = outer_grad_next.Row(r)[i] * step;
      grad_hidden.Row(r)[i] = d * slope;
      outer_grad_hidden.Row(r)[i] = s * slope - T(2) * d * h * tangent.Row(r)[i];
    });
  });
  at.AddLayerSums(
      k, [&](int r, int i) { return outer_grad_hidden.Row(r)[i]; },
      [&](int r, int i) {
        return outer_grad_next.Row(r)[i] * hidden.Row(r)[i] +
               grad_next.Row(r)[i] * tangent.Row(r)[i];
      });
  TransposedTimes(at.block, in, out, at.n, at.Row(k), outer_grad_hidden, at.MatrixSum(k), kAdd);
  TransposedTimes(at.block, in, out, at.n, at.Tangent(k), grad_hidden, at.MatrixSum(k), kAdd);
  // The gradient by the tangent of the input is known from the pass before.
  if (k > 0) at.Back(k, grad_hidden, grad_next, at.GradRow(k));
  at.Back(k, outer_grad_hidden, outer_grad_next, grad_row);
}

template <typename Call>
DEEPATTN_DEVICE void EmbeddingDoubleBackward(const RowBlock<Call>& at) {
  at.ComputeLayers();
  at.ComputeTangents();
  FactorDoubleBackward(at);
  for (int k = at.nlayers - 1; k >= 0; --k) {
    LayerDoubleBackward(at, k,
                        k == 0 ? at.Rows(at.call.grad_input, at.Width(0)) : at.OuterGradRow(k));
  }
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_PASSES_H_
