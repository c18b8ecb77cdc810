// An embedding net on a block of rows, which are columns here, with both derivatives. The passes
// compute the layers again; nothing is saved between them. common/passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_LAYER_BLOCK_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_LAYER_BLOCK_H_

#include "memory.h"

namespace {

// y += x; both have as many numbers as a block has rows.
template <typename T>
inline void AddColumn(const T* x, T* y) {
  for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) At(y + r) += At(x + r);
}

template <typename T>
class LayerBlock {
 protected:
  LayerBlock(const EmbeddingShape& shape, const T* packed, int pass, T* scratch)
      : shape_(shape),
        nlayers_(shape.nlayers),
        width_(shape.width[nlayers_]),
        packed_(PackedOf(shape, packed)),
        at_(ColumnsOf(shape, pass, scratch)) {}

  // From the input, column[0].
  void ComputeLayers() const {
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

  // After `ComputeLayers`, from the tangents of the input, tangent[0].
  void ComputeTangents() const {
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

  // From the gradients by the result, grad_column[nlayers], that by the input; sums of gradients by
  // the parameters unless they are null.
  void LayersBackward(const LayerSums<T>* sum) const {
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
        if (sum == nullptr) continue;
        sum->bias[k][i] += Sum<T>(by_bias);
        sum->step[k][i] += Sum<T>(by_step);
      }
      if (sum != nullptr) {
        AddByMatrix(in, out, at_.column[k], at_.grad_hidden, sum->matrix[k]);
        if (k == 0) AddByOffsets(*sum);
      }
      Back(k, at_.grad_hidden, at_.grad_column);
    }
  }

  // From the gradients by the result, outer_grad_column[nlayers], and by its tangent,
  // grad_column[nlayers], those by the input and, if `of_input`, by its tangent.
  void LayersDoubleBackward(const LayerSums<T>& sum, bool of_input) const {
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
      if (k > 0 || of_input) Back(k, at_.grad_hidden, at_.grad_column);
      Back(k, at_.outer_grad_hidden, at_.outer_grad_column);
    }
  }

  const EmbeddingShape& shape_;
  const int64_t nlayers_;
  const int64_t width_;  // of the last layer
  int64_t n_ = 0;        // rows of the block
  // Of each row, for the offsets of the first layer.
  const int32_t* index_ = nullptr;
  const Layers<T> packed_;
  const LayerColumns<T> at_;

 private:
  static Layers<T> PackedOf(const EmbeddingShape& shape, const T* packed) {
    Arena<T> arena(const_cast<T*>(packed));
    return Layers<T>(shape, &arena);
  }

  static LayerColumns<T> ColumnsOf(const EmbeddingShape& shape, int pass, T* block) {
    Arena<T> arena(block);
    return LayerColumns<T>(shape, pass, &arena);
  }

  void AddOffsets() const {
    for (int64_t r = 0; r < n_; ++r) {
      const T* offset = packed_.matrix[0].Row(shape_.width[0] + index_[r]);
      for (int64_t i = 0; i < shape_.width[1]; ++i) at_.hidden[0].Row(i)[r] += offset[i];
    }
  }

  // Whether x, or twice x, is added to the result of layer k.
  bool HasShortcut(int64_t k) const {
    const int64_t in = shape_.width[k], out = shape_.width[k + 1];
    return (out == in || out == 2 * in) && !(k == 0 && shape_.noffsets > 0);
  }

  // What bypasses layer k: columns[k], or two of each, is added to columns[k + 1].
  void AddShortcut(int64_t k, const Matrix<T>* columns) const {
    const int64_t in = shape_.width[k], out = shape_.width[k + 1];
    if (!HasShortcut(k)) return;
    for (int64_t i = 0; i < out; ++i) AddColumn(columns[k].Row(i % in), columns[k + 1].Row(i));
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
      T* offset = sum.matrix[0].Row(shape_.width[0] + index_[r]);
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
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_LAYER_BLOCK_H_
