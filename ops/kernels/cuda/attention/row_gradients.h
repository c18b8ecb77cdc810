// Back through the layer normalization and through the projections, each with a second derivative,
// and the gradients by their parameters.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_ROW_GRADIENTS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_ROW_GRADIENTS_H_

#include "neighborhood.h"

namespace deepattn {

// From slot j's row of `tensor`, a gradient by the output, that by the row before normalization.
template <typename Call>
DEEPATTN_DEVICE void NormalizedRowBackward(const Neighborhood<Call>& at, const Lanes& lanes, int j,
                                           const typename Neighborhood<Call>::T* tensor,
                                           typename Neighborhood<Call>::T* row) {
  using T = typename Neighborhood<Call>::T;
  const T *grad = at.Rows(tensor).Row(j), *gamma = at.call.parameters.gamma;
  lanes.Each(at.width, [&](int i) { row[i] = grad[i] * gamma[i]; });
  NormalizeBackward(lanes, at.width, at.Normalized().Row(j), at.InverseStd()[j], row);
}

// In the reverse pass: the gradients by the tangents of rows before normalization, into `row`,
// and by the rows themselves, into `outer_grad`; and the tangents of the normalized rows.
template <typename Call>
DEEPATTN_FUNCTION void NormalizedRowReverse(
    const Neighborhood<Call>& at, const Matrix<typename Neighborhood<Call>::T>& row,
    const Matrix<typename Neighborhood<Call>::T>& outer_grad) {
  using T = typename Neighborhood<Call>::T;
  EachRow(at.block, at.nnei, [&](int j, const Lanes& lanes) {
    const T *grad = at.Rows(at.call.grad_output).Row(j), *gamma = at.call.parameters.gamma;
    const T* row_tangent = at.RowTangent().Row(j);
    const T *normalized = at.Normalized().Row(j), inverse = at.InverseStd()[j];
    T *grad_row = row.Row(j), *tangent = at.NormalizedTangent().Row(j),
      *outer_grad_row = outer_grad.Row(j);
    NormalizedRowBackward(at, lanes, j, at.call.outer_grad_output, outer_grad_row);
    lanes.Each(at.width, [&](int i) {
      grad_row[i] = grad[i] * gamma[i];
      tangent[i] = row_tangent[i];
    });
    NormalizeReverse(lanes, at.width, normalized, inverse, grad_row, tangent, outer_grad_row);
  });
}

template <typename Call>
DEEPATTN_DEVICE void AddNormalizationSum(const Neighborhood<Call>& at, int i,
                                         const Numbers<typename Neighborhood<Call>::T, 3>& sum) {
  at.sums[at.places.beta.begin + i] += sum[0];
  at.sums[at.places.gamma.begin + i] += sum[1];
  at.sums[at.places.out_bias.begin + i] += sum[2];
}

// Of the gradients by the normalization's parameters and by what is added to its rows, `row`.
template <typename Call>
DEEPATTN_FUNCTION void AddNormalizationSums(const Neighborhood<Call>& at,
                                            const Matrix<typename Neighborhood<Call>::T>& row) {
  using T = typename Neighborhood<Call>::T;
  const Matrix<const T> grad = at.Rows(at.call.grad_output);
  const Matrix<T> normalized = at.Normalized();
  ColumnSums<T, 3>(
      at.block, at.Partial(), at.nnei, at.width,
      [&](int j, int i, Numbers<T, 3>* sum) {
        (*sum)[0] += grad.Row(j)[i];
        (*sum)[1] += grad.Row(j)[i] * normalized.Row(j)[i];
        (*sum)[2] += row.Row(j)[i];
      },
      [&](int i, const Numbers<T, 3>& sum) { AddNormalizationSum(at, i, sum); });
}

// The same in the reverse pass, where `outer_grad` is the gradient by the rows.
template <typename Call>
DEEPATTN_FUNCTION void AddOuterNormalizationSums(
    const Neighborhood<Call>& at, const Matrix<typename Neighborhood<Call>::T>& outer_grad) {
  using T = typename Neighborhood<Call>::T;
  const Matrix<const T> grad = at.Rows(at.call.grad_output),
                        outer = at.Rows(at.call.outer_grad_output);
  const Matrix<T> normalized = at.Normalized(), tangent = at.NormalizedTangent();
  ColumnSums<T, 3>(
      at.block, at.Partial(), at.nnei, at.width,
      [&](int j, int i, Numbers<T, 3>* sum) {
        (*sum)[0] += outer.Row(j)[i];
        (*sum)[1] += grad.Row(j)[i] * tangent.Row(j)[i] + outer.Row(j)[i] * normalized.Row(j)[i];
        (*sum)[2] += outer_grad.Row(j)[i];
      },
      [&](int i, const Numbers<T, 3>& sum) { AddNormalizationSum(at, i, sum); });
}

template <typename Call>
DEEPATTN_FUNCTION void AddBiasSum(const Neighborhood<Call>& at, int p,
                                  const Matrix<typename Neighborhood<Call>::T>& rows) {
  using T = typename Neighborhood<Call>::T;
  T* bias = at.places.project_bias[p].In(at.sums).data;
  ColumnSums<T, 1>(
      at.block, at.Partial(), at.n, at.attn,
      [&](int j, int i, Numbers<T, 1>* sum) { (*sum)[0] += rows.Row(j)[i]; },
      [&](int i, const Numbers<T, 1>& sum) { bias[i] += sum[0]; });
}

// From the gradient by the rows of a projection, in `GradProject`, those by what goes into it; that
// by embeddings is added to `row`.
template <typename Call>
DEEPATTN_FUNCTION void ProjectionBackward(const Neighborhood<Call>& at, int p,
                                          const Matrix<typename Neighborhood<Call>::T>& row) {
  using T = typename Neighborhood<Call>::T;
  const Matrix<T> grad_project = at.GradProject();
  EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
    UnitBackward(lanes, at.attn, at.Project(p).Row(j), at.UnitOf(p, j), grad_project.Row(j));
  });
  if (at.sums != nullptr) {
    AddBiasSum(at, p, grad_project);
    TransposedTimes(at.block, at.width, at.attn, at.n, at.Embedding(), grad_project,
                    at.places.project[p].In(at.sums), kAdd);
  }
  TimesTransposed(at.block, at.n, at.width, at.attn, grad_project, at.ProjectionMatrix(p), row,
                  kAdd);
}

// The same in the reverse pass, from the gradients by the rows and by their tangents.
template <typename Call>
DEEPATTN_FUNCTION void ProjectionReverse(const Neighborhood<Call>& at, int p,
                                         const Matrix<typename Neighborhood<Call>::T>& row) {
  using T = typename Neighborhood<Call>::T;
  const Matrix<T> grad_project = at.GradProject(), outer_grad = at.OuterGradProject();
  EachRow(at.block, at.n, [&](int j, const Lanes& lanes) {
    UnitReverse(lanes, at.attn, at.Project(p).Row(j), at.ProjectTangent(p).Row(j), at.UnitOf(p, j),
                at.Slide(p)[j], outer_grad.Row(j), grad_project.Row(j));
  });
  AddBiasSum(at, p, outer_grad);
  const Matrix<T> sum = at.places.project[p].In(at.sums);
  TransposedTimes(at.block, at.width, at.attn, at.n, at.Embedding(), outer_grad, sum, kAdd);
  TransposedTimes(at.block, at.width, at.attn, at.n, at.Rows(at.call.grad_grad_embedding),
                  grad_project, sum, kAdd);
  TimesTransposed(at.block, at.n, at.width, at.attn, outer_grad, at.ProjectionMatrix(p), row, kAdd);
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ATTENTION_ROW_GRADIENTS_H_
