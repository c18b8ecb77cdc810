// A few rows in the hands of a block of threads: where their matrices are, and the parts that
// passes have in common. common/passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_ROW_BLOCK_H_
#define DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_ROW_BLOCK_H_

#include <math.h>

#include "kernels/cuda/problem.h"
#include "kernels/cuda/rows.h"
#include "layout.h"

namespace deepattn {

// The arguments of a pass. Call is an EmbeddingCall of either precision, with arrays on
// the device.
template <typename Call>
struct EmbeddingArguments {
  using T = std::remove_const_t<std::remove_pointer_t<decltype(Call::input)>>;

  Call call;
  EmbeddingLayout layout;
  EmbeddingSums places;
  deepattn_cuda_problem* problem;
  T* memory;  // of the blocks, layout.block_size each
  T* sums;    // of the blocks, places.size each; null: nobody asked for them
};

template <typename Call>
struct RowBlock {
  using Arguments = EmbeddingArguments<Call>;
  using T = typename Arguments::T;

  const Block& block;
  const Call& call;
  const EmbeddingLayout& layout;
  const EmbeddingSums& places;
  const int nlayers;
  const int width;      // of the last layer
  const int64_t first;  // row among all
  const int n;          // rows
  T* const memory;
  T* const sums;  // as in Arguments
  deepattn_cuda_problem* const problem;

  DEEPATTN_DEVICE RowBlock(const Block& block, const Arguments& of, int64_t number)
      : block(block),
        call(of.call),
        layout(of.layout),
        places(of.places),
        nlayers(static_cast<int>(call.shape.nlayers)),
        width(static_cast<int>(call.shape.width[nlayers])),
        first(number * kRowsAtOnce),
        n(call.shape.nrows - first < kRowsAtOnce ? static_cast<int>(call.shape.nrows - first)
                                                 : kRowsAtOnce),
        memory(of.memory + block.index() * layout.block_size),
        sums(of.sums == nullptr ? nullptr : of.sums + block.index() * places.size),
        problem(of.problem) {}

  DEEPATTN_DEVICE int Width(int k) const { return static_cast<int>(call.shape.width[k]); }

  // These rows of a tensor.
  template <typename U>
  DEEPATTN_DEVICE Matrix<U> Rows(U* tensor, int columns) const {
    return {tensor + first * columns, columns};
  }

  DEEPATTN_DEVICE Matrix<const T> Input(const T* tensor, const Piece* rows, int k) const {
    if (k == 0) return Rows(tensor, Width(0));
    const Matrix<T> own = rows[k].In(memory);
    return {own.data, own.stride};
  }
  DEEPATTN_DEVICE Matrix<const T> Row(int k) const { return Input(call.input, layout.row, k); }
  DEEPATTN_DEVICE Matrix<const T> Tangent(int k) const {
    return Input(call.grad_grad_input, layout.tangent, k);
  }
  DEEPATTN_DEVICE Matrix<T> Hidden(int k) const { return layout.hidden[k].In(memory); }
  DEEPATTN_DEVICE Matrix<T> HiddenTangent(int k) const {
    return layout.hidden_tangent[k].In(memory);
  }
  DEEPATTN_DEVICE Matrix<T> GradRow(int k) const { return layout.grad_row[k % 2].In(memory); }
  DEEPATTN_DEVICE Matrix<T> OuterGradRow(int k) const {
    return layout.outer_grad_row[k % 2].In(memory);
  }
  DEEPATTN_DEVICE Matrix<T> GradHidden() const { return layout.grad_hidden.In(memory); }
  DEEPATTN_DEVICE Matrix<T> OuterGradHidden() const { return layout.outer_grad_hidden.In(memory); }

  DEEPATTN_DEVICE Matrix<const T> LayerMatrix(int k) const {
    return {call.parameters.matrix[k], Width(k + 1)};
  }
  DEEPATTN_DEVICE Matrix<T> MatrixSum(int k) const {
    return {sums + places.matrix[k], Width(k + 1)};
  }
  DEEPATTN_DEVICE T Step(int k, int i) const {
    const T* step = call.parameters.step[k];
    return step == nullptr ? T(1) : step[i];
  }

  DEEPATTN_DEVICE bool Scaled() const { return call.shape.nfactors > 0; }

  DEEPATTN_DEVICE bool IsIndex(int index) const {
    return index >= 0 && index < call.shape.nfactors;
  }
  // Of row r; an index that is none is reported, and the first factor taken, with which nothing is
  // a number, for its weight is none.
  DEEPATTN_DEVICE int Index(int r) const {
    const int index = call.index[first + r];
    if (IsIndex(index)) return index;
    Report(problem, 0, first + r, kIndexTooLarge);
    return 0;
  }
  // `x` of row r where its index is one.
  DEEPATTN_DEVICE T Checked(int r, T x) const {
    return IsIndex(call.index[first + r]) ? x : static_cast<T>(NAN);
  }
  DEEPATTN_DEVICE T Weight(int r) const { return Checked(r, call.weight[first + r]); }
  DEEPATTN_DEVICE const T* Factor(int r) const {
    return call.parameters.factors + static_cast<int64_t>(Index(r)) * width;
  }

  // What bypasses layer k: how many copies of its input, side by side, are added to its result.
  DEEPATTN_DEVICE int Copies(int k) const {
    return Width(k + 1) == Width(k) ? 1 : Width(k + 1) == 2 * Width(k) ? 2 : 0;
  }

  static DEEPATTN_DEVICE T Bypass(int copies, int in, int i, const T* x) {
    return copies == 0 ? T(0) : x[i < in ? i : i - in];
  }

  DEEPATTN_FUNCTION void ComputeLayers() const {
    for (int k = 0; k < nlayers; ++k) {
      const int in = Width(k), out = Width(k + 1), copies = Copies(k);
      const Matrix<const T> row = Row(k);
      const Matrix<T> hidden = Hidden(k), next = layout.row[k + 1].In(memory);
      const T* bias = call.parameters.bias[k];
      Times(block, n, out, in, row, LayerMatrix(k), hidden);
      EachRow(block, n, [&](int r, const Lanes& lanes) {
        lanes.Each(out, [&](int i) {
          const T h = tanh(hidden.Row(r)[i] + bias[i]);
          hidden.Row(r)[i] = h;
          next.Row(r)[i] = h * Step(k, i) + Bypass(copies, in, i, row.Row(r));
        });
      });
    }
  }

  // After `ComputeLayers`.
  DEEPATTN_FUNCTION void ComputeTangents() const {
    for (int k = 0; k < nlayers; ++k) {
      const int in = Width(k), out = Width(k + 1), copies = Copies(k);
      const Matrix<const T> row = Tangent(k);
      const Matrix<T> hidden = Hidden(k), tangent = HiddenTangent(k);
      const Matrix<T> next = layout.tangent[k + 1].In(memory);
      Times(block, n, out, in, row, LayerMatrix(k), tangent);
      EachRow(block, n, [&](int r, const Lanes& lanes) {
        lanes.Each(out, [&](int i) {
          const T h = hidden.Row(r)[i];
          const T t = (T(1) - h * h) * tangent.Row(r)[i];
          tangent.Row(r)[i] = t;
          next.Row(r)[i] = t * Step(k, i) + Bypass(copies, in, i, row.Row(r));
        });
      });
    }
  }

  // From the gradient by what goes into layer k's tanh, and that by the layer's result, the
  // gradient `grad_row` by what goes into the layer.
  DEEPATTN_FUNCTION void Back(int k, const Matrix<T>& grad_hidden, const Matrix<T>& grad_result,
                              const Matrix<T>& grad_row) const {
    const int in = Width(k), copies = Copies(k);
    TimesTransposed(block, n, in, Width(k + 1), grad_hidden, LayerMatrix(k), grad_row);
    if (copies == 0) return;
    EachRow(block, n, [&](int r, const Lanes& lanes) {
      const T* result = grad_result.Row(r);
      lanes.Each(in, [&](int i) {
        grad_row.Row(r)[i] += copies == 1 ? result[i] : result[i] + result[in + i];
      });
    });
  }

  // Adds to the gradients by factors what term(r, i) is for each row and column. A factor's rows
  // often follow each other; they are added up before they go to memory.
  template <typename Term>
  DEEPATTN_DEVICE void AddFactorSums(const Term& term) const {
    T* grad_factors = sums + places.factors;
    block.Each(width, [&](int64_t i) {
      int index = Index(0);
      T sum = 0;
      for (int r = 0; r < n; ++r) {
        const int next = Index(r);
        if (next != index) {
          grad_factors[static_cast<int64_t>(index) * width + i] += sum;
          index = next;
          sum = 0;
        }
        sum += term(r, static_cast<int>(i));
      }
      grad_factors[static_cast<int64_t>(index) * width + i] += sum;
    });
  }

  // Adds to the gradients by bias and time step of layer k the sums of both terms over the rows.
  template <typename GradBias, typename GradStep>
  DEEPATTN_DEVICE void AddLayerSums(int k, const GradBias& grad_bias,
                                    const GradStep& grad_step) const {
    T *bias = sums + places.bias[k], *step = sums + places.step[k];
    ColumnSums<T, 2>(
        block, reinterpret_cast<T*>(&GemmMemoryOf<T>(block)), n, Width(k + 1),
        [&](int r, int i, Numbers<T, 2>* sum) {
          (*sum)[0] += grad_bias(r, i);
          (*sum)[1] += grad_step(r, i);
        },
        [&](int i, const Numbers<T, 2>& sum) {
          bias[i] += sum[0];
          step[i] += sum[1];
        });
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_PAIR_EMBEDDING_ROW_BLOCK_H_
