// The three passes over a block of rows. The last two compute the layers again; nothing is saved
// between passes. common/passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_

#include "kernels/cpu/simd/shortcut.h"
#include "memory.h"

namespace {

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
        at_(RowsOf(shape_, pass, scratch)) {}

  void Forward() {
    ComputeLayers();
    for (int64_t r = 0; r < n_; ++r) {
      const T* row = at_.row[nlayers_].Row(r);
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
    for (int64_t r = 0; r < n_; ++r) {
      T* grad_row = at_.grad_row[nlayers_].Row(r);
      CopyPadded(width_, call_.grad_output + (first_ + r) * width_, grad_row);
      if (shape_.nfactors == 0) continue;
      const T *row = at_.row[nlayers_].Row(r), *factor = Factor(r);
      const T weight = call_.weight[first_ + r];
      if (sums != nullptr) {
        T* grad_factor = sum.factors.Row(Index(r));
        for (int64_t i = 0; i < width_; ++i) grad_factor[i] += weight * grad_row[i] * row[i];
      }
      call_.grad_weight[first_ + r] = ScaledDot(grad_row, row, factor);
      for (int64_t i = 0; i < width_; ++i) grad_row[i] *= T(1) + weight * factor[i];
    }
    for (int64_t k = nlayers_ - 1; k >= 0; --k) {
      const int64_t in = shape_.width[k], out = shape_.width[k + 1];
      for (int64_t r = 0; r < n_; ++r) {
        const T *hidden = at_.hidden[k].Row(r), *grad_row = at_.grad_row[k + 1].Row(r);
        T* grad_hidden = at_.grad_hidden.Row(r);
        for (int64_t i = 0; i < out; i += kLanes<T>) {
          const Vec<T> h = At(hidden + i);
          const Vec<T> slope = T(1) - h * h;
          At(grad_hidden + i) = At(grad_row + i) * At(packed_.step[k] + i) * slope;
          if (sums == nullptr) continue;
          At(sum.bias[k] + i) += At(grad_hidden + i);
          At(sum.step[k] + i) += At(grad_row + i) * h;
        }
      }
      if (sums != nullptr) {
        TransposedProduct(in, out, n_, at_.row[k], at_.grad_hidden, sum.matrix[k], kAdd);
      }
      Back(k, at_.grad_hidden, at_.grad_row);
    }
    WriteInput(at_.grad_row[0]);
  }

  void DoubleBackward(T* sums) {
    ComputeLayers();
    ComputeTangents();
    Arena<T> arena(sums);
    const LayerSums<T> sum(shape_, &arena);
    for (int64_t r = 0; r < n_; ++r) FactorDoubleBackward(r, sum);
    for (int64_t k = nlayers_ - 1; k >= 0; --k) {
      const int64_t in = shape_.width[k], out = shape_.width[k + 1];
      for (int64_t r = 0; r < n_; ++r) {
        const T *hidden = at_.hidden[k].Row(r), *tangent = at_.hidden_tangent[k].Row(r);
        const T *grad_row = at_.grad_row[k + 1].Row(r),
                *outer_grad_row = at_.outer_grad_row[k + 1].Row(r);
        T *grad_hidden = at_.grad_hidden.Row(r), *outer_grad_hidden = at_.outer_grad_hidden.Row(r);
        for (int64_t i = 0; i < out; i += kLanes<T>) {
          const Vec<T> h = At(hidden + i), t = At(tangent + i), step = At(packed_.step[k] + i);
          const Vec<T> slope = T(1) - h * h;
          // h' = slope x', and the slope itself changes by -2 h h'.
          const Vec<T> d = At(grad_row + i) * step, s = At(outer_grad_row + i) * step;
          At(grad_hidden + i) = d * slope;
          At(outer_grad_hidden + i) = s * slope - T(2) * d * h * t;
          At(sum.bias[k] + i) += At(outer_grad_hidden + i);
          At(sum.step[k] + i) += At(outer_grad_row + i) * h + At(grad_row + i) * t;
        }
      }
      TransposedProduct(in, out, n_, at_.row[k], at_.outer_grad_hidden, sum.matrix[k], kAdd);
      TransposedProduct(in, out, n_, at_.tangent[k], at_.grad_hidden, sum.matrix[k], kAdd);
      // The gradient by the tangent of the input is known from the pass before.
      if (k > 0) Back(k, at_.grad_hidden, at_.grad_row);
      Back(k, at_.outer_grad_hidden, at_.outer_grad_row);
    }
    WriteInput(at_.outer_grad_row[0]);
  }

 private:
  static PackedLayers<T> PackedOf(const PackedEmbeddingCall<T>& call) {
    Arena<T> arena(const_cast<T*>(call.packed));
    return PackedLayers<T>(call.shape, &arena);
  }

  static LayerRows<T> RowsOf(const EmbeddingShape& shape, int pass, T* block) {
    Arena<T> arena(block);
    return LayerRows<T>(shape, pass, &arena);
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

  void Read(const T* tensor, Matrix<T> rows) const {
    const int64_t width = shape_.width[0];
    for (int64_t r = 0; r < n_; ++r) CopyPadded(width, tensor + (first_ + r) * width, rows.Row(r));
  }

  void ComputeLayers() {
    Read(call_.input, at_.row[0]);
    for (int64_t k = 0; k < nlayers_; ++k) {
      const int64_t in = shape_.width[k], out = shape_.width[k + 1];
      Product(n_, out, in, at_.row[k], packed_.matrix[k], at_.hidden[k]);
      for (int64_t r = 0; r < n_; ++r) {
        T *hidden = at_.hidden[k].Row(r), *next = at_.row[k + 1].Row(r);
        for (int64_t i = 0; i < out; i += kLanes<T>) {
          const Vec<T> h = Tanh<T>(At(hidden + i) + At(packed_.bias[k] + i));
          At(hidden + i) = h;
          At(next + i) = h * At(packed_.step[k] + i);
        }
        AddShortcut(in, out, at_.row[k].Row(r), next);
      }
    }
  }

  // After `ComputeLayers`.
  void ComputeTangents() {
    Read(call_.grad_grad_input, at_.tangent[0]);
    for (int64_t k = 0; k < nlayers_; ++k) {
      const int64_t in = shape_.width[k], out = shape_.width[k + 1];
      Product(n_, out, in, at_.tangent[k], packed_.matrix[k], at_.hidden_tangent[k]);
      for (int64_t r = 0; r < n_; ++r) {
        const T* hidden = at_.hidden[k].Row(r);
        T *tangent = at_.hidden_tangent[k].Row(r), *next = at_.tangent[k + 1].Row(r);
        for (int64_t i = 0; i < out; i += kLanes<T>) {
          const Vec<T> h = At(hidden + i);
          const Vec<T> t = (T(1) - h * h) * At(tangent + i);
          At(tangent + i) = t;
          At(next + i) = t * At(packed_.step[k] + i);
        }
        AddShortcut(in, out, at_.tangent[k].Row(r), next);
      }
    }
  }

  // The tangent of the output, and from its gradient `grad` those by the last layer's row and by
  // its tangent, by the weight and by the factors.
  void FactorDoubleBackward(int64_t r, const LayerSums<T>& sum) {
    const T *row = at_.row[nlayers_].Row(r), *tangent = at_.tangent[nlayers_].Row(r);
    T *grad_row = at_.grad_row[nlayers_].Row(r),
      *outer_grad_row = at_.outer_grad_row[nlayers_].Row(r);
    T* out = call_.grad_grad_output + (first_ + r) * width_;
    CopyPadded(width_, call_.grad_output + (first_ + r) * width_, grad_row);
    memset(outer_grad_row, 0, RoundUp<T>(width_) * sizeof(T));
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

  // From the gradient by what goes into layer k's tanh, and rows[k + 1], the gradient by its
  // result, the gradient rows[k] by what goes into the layer.
  void Back(int64_t k, Matrix<T> grad_hidden, const Matrix<T>* rows) const {
    const int64_t in = shape_.width[k], out = shape_.width[k + 1];
    Product(n_, in, out, grad_hidden, packed_.transposed[k], rows[k]);
    for (int64_t r = 0; r < n_; ++r) {
      AddShortcutBack(in, out, rows[k + 1].Row(r), rows[k].Row(r));
    }
  }

  void WriteInput(Matrix<T> rows) const {
    const int64_t width = shape_.width[0];
    for (int64_t r = 0; r < n_; ++r) {
      Copy(width, rows.Row(r), call_.grad_input + (first_ + r) * width);
    }
  }

  const PackedEmbeddingCall<T>& call_;
  const EmbeddingShape& shape_;
  const int64_t nlayers_;
  const int64_t width_;  // of the last layer
  const int64_t first_;  // row of the block among all
  const int64_t n_;      // rows
  const PackedLayers<T> packed_;
  const LayerRows<T> at_;
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_
