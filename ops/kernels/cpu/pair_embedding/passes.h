// The three passes over a block of rows; see layer_block.h. The last two also write the output, if
// there is room for it.
#ifndef DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_

#include "layer_block.h"

namespace {

template <typename T>
class Block : LayerBlock<T> {
 public:
  Block(const PackedEmbeddingCall<T>& call, int64_t block, int pass, T* scratch)
      : Block(call, block, pass, scratch, call.shape.width[call.shape.nlayers]) {}

  // Rows of the output and of gradients by it are `stride` apart. With `outer_grad_output`,
  // ∂M/∂output, the double backward gives all of ∂M/∂x and ∂M/∂w.
  Block(const PackedEmbeddingCall<T>& call, int64_t block, int pass, T* scratch, int64_t stride,
        const T* outer_grad_output = nullptr)
      : LayerBlock<T>(call.shape, call.packed, pass, scratch),
        call_(call),
        stride_(stride),
        outer_grad_output_(outer_grad_output),
        first_(block * kBlockRows) {
    n_ = shape_.nrows - first_ < kBlockRows ? shape_.nrows - first_ : kBlockRows;
    index_ = call.index + first_;
  }

  void Forward() {
    ReadColumns(call_.input, at_.column[0]);
    this->ComputeLayers();
    WriteOutput();
  }

  void Backward(T* sums) {
    ReadColumns(call_.input, at_.column[0]);
    this->ComputeLayers();
    if (call_.output != nullptr) WriteOutput();
    Arena<T> arena(sums);
    const LayerSums<T> sum(shape_, &arena);
    FactorBackward(sums == nullptr ? nullptr : &sum);
    this->LayersBackward(sums == nullptr ? nullptr : &sum);
    WriteInput(at_.grad_column[0]);
  }

  void DoubleBackward(T* sums) {
    ReadColumns(call_.input, at_.column[0]);
    this->ComputeLayers();
    if (call_.output != nullptr) WriteOutput();
    ReadColumns(call_.grad_grad_input, at_.tangent[0]);
    this->ComputeTangents();
    Arena<T> arena(sums);
    const LayerSums<T> sum(shape_, &arena);
    FactorsDoubleBackward(sum);
    // The gradient by the tangent of the input is known from the pass before.
    this->LayersDoubleBackward(sum, /*of_input=*/false);
    WriteInput(at_.outer_grad_column[0]);
  }

 private:
  using LayerBlock<T>::at_;
  using LayerBlock<T>::index_;
  using LayerBlock<T>::n_;
  using LayerBlock<T>::nlayers_;
  using LayerBlock<T>::shape_;
  using LayerBlock<T>::width_;

  const T* Factor(int64_t r) const { return call_.parameters.factors + index_[r] * width_; }

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

  void WriteOutput() const {
    Transpose(width_, kBlockRows, at_.column[nlayers_], at_.row);
    for (int64_t r = 0; r < n_; ++r) {
      const T* row = at_.row.Row(r);
      T* out = call_.output + (first_ + r) * stride_;
      if (shape_.nfactors == 0) {
        Copy(width_, row, out);
        continue;
      }
      const T* factor = Factor(r);
      const T weight = call_.weight[first_ + r];
      for (int64_t i = 0; i < width_; ++i) out[i] = row[i] * (T(1) + weight * factor[i]);
    }
  }

  // The block's rows of a tensor; those behind the last one are zero.
  void ReadRows(int64_t width, const T* tensor, int64_t stride, Matrix<T> rows) const {
    for (int64_t r = 0; r < n_; ++r) CopyPadded(width, tensor + (first_ + r) * stride, rows.Row(r));
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
    ReadRows(width, tensor, width, at_.row);
    Transpose(kBlockRows, width, at_.row, columns);
  }

  // From the gradients by the result that by the last layer's columns, by the weight and by the
  // factors.
  void FactorBackward(const LayerSums<T>* sum) const {
    ReadRows(width_, call_.grad_output, stride_, at_.grad_row);
    if (shape_.nfactors > 0) Transpose(width_, kBlockRows, at_.column[nlayers_], at_.row);
    for (int64_t r = 0; r < n_ && shape_.nfactors > 0; ++r) {
      T* grad_row = at_.grad_row.Row(r);
      const T *row = at_.row.Row(r), *factor = Factor(r);
      const T weight = call_.weight[first_ + r];
      if (sum != nullptr) {
        T* grad_factor = sum->factors.Row(index_[r]);
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
    ReadRows(width_, call_.grad_output, stride_, at_.grad_row);
    Transpose(width_, kBlockRows, at_.tangent[nlayers_], at_.tangent_row);
    if (shape_.nfactors > 0) Transpose(width_, kBlockRows, at_.column[nlayers_], at_.row);
    if (outer_grad_output_ != nullptr) {
      ReadRows(width_, outer_grad_output_, stride_, at_.outer_grad_row);
    } else {
      for (int64_t r = 0; r < kBlockRows; ++r) {
        memset(at_.outer_grad_row.Row(r), 0, RoundUp<T>(width_) * sizeof(T));
      }
    }
    for (int64_t r = 0; r < n_; ++r) FactorDoubleBackward(r, sum);
    Transpose(kBlockRows, width_, at_.grad_row, at_.grad_column[nlayers_]);
    Transpose(kBlockRows, width_, at_.outer_grad_row, at_.outer_grad_column[nlayers_]);
  }

  void FactorDoubleBackward(int64_t r, const LayerSums<T>& sum) const {
    const T *row = at_.row.Row(r), *tangent = at_.tangent_row.Row(r);
    T *grad_row = at_.grad_row.Row(r), *outer_grad_row = at_.outer_grad_row.Row(r);
    T* out = call_.grad_grad_output + (first_ + r) * stride_;
    if (shape_.nfactors == 0) {
      Copy(width_, tangent, out);
      return;
    }
    const T* factor = Factor(r);
    const T weight = call_.weight[first_ + r];
    const T weight_tangent = call_.grad_grad_weight[first_ + r];
    T by_weight = ScaledDot(grad_row, tangent, factor);
    if (outer_grad_output_ != nullptr) by_weight += ScaledDot(outer_grad_row, row, factor);
    call_.grad_weight[first_ + r] = by_weight;
    T* grad_factor = sum.factors.Row(index_[r]);
    for (int64_t i = 0; i < width_; ++i) {
      const T scale = T(1) + weight * factor[i], scale_tangent = weight_tangent * factor[i];
      grad_factor[i] += grad_row[i] * (weight * tangent[i] + weight_tangent * row[i]) +
                        outer_grad_row[i] * weight * row[i];
      out[i] = scale * tangent[i] + scale_tangent * row[i];
      outer_grad_row[i] = outer_grad_row[i] * scale + grad_row[i] * scale_tangent;
      grad_row[i] *= scale;
    }
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
  const int64_t stride_;
  const T* const outer_grad_output_;
  const int64_t first_;  // row of the block among all
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_PAIR_EMBEDDING_PASSES_H_
