// The three passes over a block of rows. The last two compute the layers again; nothing is saved
// between passes. common/passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_

#include "memory.h"

namespace {

// y += x; both have as many numbers as a block has rows.
template <typename T>
inline void AddColumn(const T* x, T* y) {
  for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) At(y + r) += At(x + r);
}

template <typename T>
class Block {
 public:
  Block(const PackedEmbeddingCall<T>& call, int64_t block, int pass, T* scratch)
      : call_(call),
        shape_(call.shape),
        nlayers_(shape_.nlayers),
        width_(shape_.width[nlayers_]),
        first_(block * kBlockRows),
        n_(shape_.nrows - first_ < kBlockRows ? shape_.nrows - first_ : kBlockRows),
        packed_(PackedOf(call)),
        at_(ColumnsOf(shape_, pass, scratch)) {}

  void Forward() {
    ComputeLayers();
    Transpose(width_, kBlockRows, at_.column[nlayers_], at_.row);
    for (int64_t r = 0; r < n_; ++r) {
      const T* row = at_.row.Row(r);
      T* out = call_.output + (first_ + r) * width_;
      if (shape_.nfactors == 0) {
        Copy(width_, row, out);
        continue;
      }
      const T* factor = Factor(r);
      const T weight = call_.weight[first_ + r];
      for (int64_t i = 0; i < width_; ++i) out[i] = row[i] * (T(1) + weight * factor[i]);
    }
  }

  void Backward(T* sums) {
    ComputeLayers();
    Arena<T> arena(sums);
    const LayerSums<T> sum(shape_, &arena);
    FactorBackward(sums == nullptr ? nullptr : &sum);
    for (int64_t k = nlayers_ - 1; k >= 0; --k) {
      const int64_t in = shape_.width[k], out = shape_.width[k + 1];
      for (int64_t i = 0; i < out; ++i) {
        const T *hidden = at_.hidden[k].Row(i), *grad = at_.grad_column[k + 1].Row(i);
        T* grad_hidden = at_.grad_hidden.Row(i);
        const T step = packed_.step[k][i];
        Vec<T> by_bias = {}, by_step = {};
        for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) {
          const Vec<T> h = At(hidden + r);
          At(grad_hidden + r) = At(grad + r) * step * (T(1) - h * h);
          by_bias += At(grad_hidden + r);
          by_step += At(grad + r) * h;
        }
        if (sums == nullptr) continue;
        sum.bias[k][i] += Sum<T>(by_bias);
        sum.step[k][i] += Sum<T>(by_step);
      }
      if (sums != nullptr) {
        AddByMatrix(in, out, at_.column[k], at_.grad_hidden, sum.matrix[k]);
        if (k == 0) AddByOffsets(sum);
      }
      Back(k, at_.grad_hidden, at_.grad_column);
    }
    WriteInput(at_.grad_column[0]);
  }

  void DoubleBackward(T* sums) {
    ComputeLayers();
    ComputeTangents();
    Arena<T> arena(sums);
    const LayerSums<T> sum(shape_, &arena);
    FactorsDoubleBackward(sum);
    for (int64_t k = nlayers_ - 1; k >= 0; --k) {
      const int64_t in = shape_.width[k], out = shape_.width[k + 1];
      for (int64_t i = 0; i < out; ++i) {
        const T *hidden = at_.hidden[k].Row(i), *tangent = at_.hidden_tangent[k].Row(i);
        const T *grad = at_.grad_column[k + 1].Row(i),
                *outer_grad = at_.outer_grad_column[k + 1].Row(i);
        T *grad_hidden = at_.grad_hidden.Row(i), *outer_grad_hidden = at_.outer_grad_hidden.Row(i);
        const T step = packed_.step[k][i];
        Vec<T> by_bias = {}, by_step = {};
        for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) {
          const Vec<T> h = At(hidden + r), t = At(tangent + r);
          const Vec<T> slope = T(1) - h * h;
          // h' = slope x', and the slope itself changes by -2 h h'.
          const Vec<T> d = At(grad + r) * step, s = At(outer_grad + r) * step;
          At(grad_hidden + r) = d * slope;
          At(outer_grad_hidden + r) = s * slope - T(2) * d * h * t;
          by_bias += At(outer_grad_hidden + r);
          by_step += At(outer_grad + r) * h + At(grad + r) * t;
        }
        sum.bias[k][i] += Sum<T>(by_bias);
        sum.step[k][i] += Sum<T>(by_step);
      }
      AddByMatrix(in, out, at_.tangent[k], at_.grad_hidden, sum.matrix[k]);
      AddByMatrix(in, out, at_.column[k], at_.outer_grad_hidden, sum.matrix[k]);
      if (k == 0) AddByOffsets(sum);
      // The gradient by the tangent of the input is known from the pass before.
      if (k > 0) Back(k, at_.grad_hidden, at_.grad_column);
      Back(k, at_.outer_grad_hidden, at_.outer_grad_column);
    }
    WriteInput(at_.outer_grad_column[0]);
  }

 private:
  static Layers<T> PackedOf(const PackedEmbeddingCall<T>& call) {
    Arena<T> arena(const_cast<T*>(call.packed));
    return Layers<T>(call.shape, &arena);
  }

  static LayerColumns<T> ColumnsOf(const EmbeddingShape& shape, int pass, T* block) {
    Arena<T> arena(block);
    return LayerColumns<T>(shape, pass, &arena);
  }

  int32_t Index(int64_t r) const { return call_.index[first_ + r]; }
  const T* Factor(int64_t r) const { return call_.parameters.factors + Index(r) * width_; }

  T ScaledDot(const T* a, const T* b, const T* factor) const {
    Vec<T> sum = {};
    int64_t i = 0;
    for (; i + kLanes<T> <= width_; i += kLanes<T>) {
      Vec<T> unaligned;
      memcpy(&unaligned, factor + i, sizeof(unaligned));
      sum += At(a + i) * At(b + i) * unaligned;
    }
    T total = Sum<T>(sum);
    for (; i < width_; ++i) total += a[i] * b[i] * factor[i];
    return total;
  }

  // The block's rows of a tensor; those behind the last one are zero.
  void ReadRows(int64_t width, const T* tensor, Matrix<T> rows) const {
    for (int64_t r = 0; r < n_; ++r) CopyPadded(width, tensor + (first_ + r) * width, rows.Row(r));
    for (int64_t r = n_; r < kBlockRows; ++r) memset(rows.Row(r), 0, RoundUp<T>(width) * sizeof(T));
  }

  // Of a tensor with rows as wide as the input, through `row`.
  void ReadColumns(const T* tensor, Matrix<T> columns) const {
    const int64_t width = shape_.width[0];
    if (width == 1) {
      Copy(n_, tensor + first_, columns.data);
      memset(columns.data + n_, 0, (kBlockRows - n_) * sizeof(T));
      return;
    }
    ReadRows(width, tensor, at_.row);
    Transpose(kBlockRows, width, at_.row, columns);
  }

  void ComputeLayers() const {
    ReadColumns(call_.input, at_.column[0]);
    for (int64_t k = 0; k < nlayers_; ++k) {
      const int64_t in = shape_.width[k], out = shape_.width[k + 1];
      TransposedProduct(out, kBlockRows, in, packed_.matrix[k], at_.column[k], at_.hidden[k]);
      if (k == 0 && shape_.noffsets > 0) AddOffsets();
      for (int64_t i = 0; i < out; ++i) {
        T *hidden = at_.hidden[k].Row(i), *next = at_.column[k + 1].Row(i);
        const T bias = packed_.bias[k][i], step = packed_.step[k][i];
        for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) {
          const Vec<T> h = Tanh<T>(At(hidden + r) + bias);
          At(hidden + r) = h;
          At(next + r) = h * step;
        }
      }
      AddShortcut(k, at_.column);
    }
  }

  void AddOffsets() const {
    for (int64_t r = 0; r < n_; ++r) {
      const T* offset = packed_.matrix[0].Row(shape_.width[0] + Index(r));
      for (int64_t i = 0; i < shape_.width[1]; ++i) at_.hidden[0].Row(i)[r] += offset[i];
    }
  }

  // Whether x, or twice x, is added to the result of layer k.
  bool HasShortcut(int64_t k) const {
    const int64_t in = shape_.width[k], out = shape_.width[k + 1];
    return (out == in || out == 2 * in) && !(k == 0 && shape_.noffsets > 0);
  }

  // After `ComputeLayers`.
  void ComputeTangents() const {
    ReadColumns(call_.grad_grad_input, at_.tangent[0]);
    for (int64_t k = 0; k < nlayers_; ++k) {
      const int64_t in = shape_.width[k], out = shape_.width[k + 1];
      TransposedProduct(out, kBlockRows, in, packed_.matrix[k], at_.tangent[k],
                        at_.hidden_tangent[k]);
      for (int64_t i = 0; i < out; ++i) {
        const T* hidden = at_.hidden[k].Row(i);
        T *tangent = at_.hidden_tangent[k].Row(i), *next = at_.tangent[k + 1].Row(i);
        const T step = packed_.step[k][i];
        for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) {
          const Vec<T> h = At(hidden + r);
          const Vec<T> t = (T(1) - h * h) * At(tangent + r);
          At(tangent + r) = t;
          At(next + r) = t * step;
        }
      }
      AddShortcut(k, at_.tangent);
    }
  }

  // What bypasses layer k: columns[k], or two of each, is added to columns[k + 1].
  void AddShortcut(int64_t k, const Matrix<T>* columns) const {
    const int64_t in = shape_.width[k], out = shape_.width[k + 1];
    if (!HasShortcut(k)) return;
    for (int64_t i = 0; i < out; ++i) AddColumn(columns[k].Row(i % in), columns[k + 1].Row(i));
  }

  // From the gradients by the result that by the last layer's columns, by the weight and by the
  // factors.
  void FactorBackward(const LayerSums<T>* sum) const {
    ReadRows(width_, call_.grad_output, at_.grad_row);
    if (shape_.nfactors > 0) Transpose(width_, kBlockRows, at_.column[nlayers_], at_.row);
    for (int64_t r = 0; r < n_ && shape_.nfactors > 0; ++r) {
      T* grad_row = at_.grad_row.Row(r);
      const T *row = at_.row.Row(r), *factor = Factor(r);
      const T weight = call_.weight[first_ + r];
      if (sum != nullptr) {
        T* grad_factor = sum->factors.Row(Index(r));
        for (int64_t i = 0; i < width_; ++i) grad_factor[i] += weight * grad_row[i] * row[i];
      }
      call_.grad_weight[first_ + r] = ScaledDot(grad_row, row, factor);
      for (int64_t i = 0; i < width_; ++i) grad_row[i] *= T(1) + weight * factor[i];
    }
    Transpose(kBlockRows, width_, at_.grad_row, at_.grad_column[nlayers_]);
  }

  // The tangent of the result, and from the gradient by it those by the last layer's columns and by
  // their tangents, by the weight and by the factors.
  void FactorsDoubleBackward(const LayerSums<T>& sum) const {
    ReadRows(width_, call_.grad_output, at_.grad_row);
    Transpose(width_, kBlockRows, at_.tangent[nlayers_], at_.tangent_row);
    if (shape_.nfactors > 0) Transpose(width_, kBlockRows, at_.column[nlayers_], at_.row);
    for (int64_t r = 0; r < kBlockRows; ++r) {
      memset(at_.outer_grad_row.Row(r), 0, RoundUp<T>(width_) * sizeof(T));
      if (r < n_) FactorDoubleBackward(r, sum);
    }
    Transpose(kBlockRows, width_, at_.grad_row, at_.grad_column[nlayers_]);
    Transpose(kBlockRows, width_, at_.outer_grad_row, at_.outer_grad_column[nlayers_]);
  }

  void FactorDoubleBackward(int64_t r, const LayerSums<T>& sum) const {
    const T *row = at_.row.Row(r), *tangent = at_.tangent_row.Row(r);
    T *grad_row = at_.grad_row.Row(r), *outer_grad_row = at_.outer_grad_row.Row(r);
    T* out = call_.grad_grad_output + (first_ + r) * width_;
    if (shape_.nfactors == 0) {
      Copy(width_, tangent, out);
      return;
    }
    const T* factor = Factor(r);
    const T weight = call_.weight[first_ + r];
    const T weight_tangent = call_.grad_grad_weight[first_ + r];
    call_.grad_weight[first_ + r] = ScaledDot(grad_row, tangent, factor);
    T* grad_factor = sum.factors.Row(Index(r));
    for (int64_t i = 0; i < width_; ++i) {
      const T scale = T(1) + weight * factor[i], scale_tangent = weight_tangent * factor[i];
      grad_factor[i] += grad_row[i] * (weight * tangent[i] + weight_tangent * row[i]);
      out[i] = scale * tangent[i] + scale_tangent * row[i];
      outer_grad_row[i] = grad_row[i] * scale_tangent;
      grad_row[i] *= scale;
    }
  }

  // Adds what the block's rows contribute to the gradient by a layer's matrix.
  void AddByMatrix(int64_t in, int64_t out, Matrix<T> columns, Matrix<T> grad_hidden,
                   Matrix<T> sum) const {
    Transpose(out, kBlockRows, grad_hidden, at_.grad_hidden_row);
    Product(in, out, kBlockRows, columns, at_.grad_hidden_row, sum, kAdd);
  }

  // And to that by the offsets, after it.
  void AddByOffsets(const LayerSums<T>& sum) const {
    for (int64_t r = 0; r < n_ && shape_.noffsets > 0; ++r) {
      T* offset = sum.matrix[0].Row(shape_.width[0] + Index(r));
      const T* grad = at_.grad_hidden_row.Row(r);
      for (int64_t i = 0; i < shape_.width[1]; i += kLanes<T>) At(offset + i) += At(grad + i);
    }
  }

  // From the gradient by what goes into layer k's tanh, and columns[k + 1], the gradient by its
  // result, the gradient columns[k] by what goes into the layer.
  void Back(int64_t k, Matrix<T> grad_hidden, const Matrix<T>* columns) const {
    const int64_t in = shape_.width[k], out = shape_.width[k + 1];
    Product(in, kBlockRows, out, packed_.matrix[k], grad_hidden, columns[k]);
    if (!HasShortcut(k)) return;
    for (int64_t i = 0; i < out; ++i) AddColumn(columns[k + 1].Row(i), columns[k].Row(i % in));
  }

  void WriteInput(Matrix<T> columns) const {
    const int64_t width = shape_.width[0];
    if (width == 1) {
      Copy(n_, columns.data, call_.grad_input + first_);
      return;
    }
    Transpose(width, kBlockRows, columns, at_.row);
    for (int64_t r = 0; r < n_; ++r) {
      Copy(width, at_.row.Row(r), call_.grad_input + (first_ + r) * width);
    }
  }

  const PackedEmbeddingCall<T>& call_;
  const EmbeddingShape& shape_;
  const int64_t nlayers_;
  const int64_t width_;  // of the last layer
  const int64_t first_;  // row of the block among all
  const int64_t n_;      // rows
  const Layers<T> packed_;
  const LayerColumns<T> at_;
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_
