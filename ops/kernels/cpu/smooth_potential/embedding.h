// Rows of environment matrices through the embedding nets to Rᵀ G of their atoms, and back.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_EMBEDDING_H_
#define DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_EMBEDDING_H_

#include "kernels/cpu/simd/shortcut.h"
#include "memory.h"

namespace {

// Rows as a factor of a product.
template <typename T>
inline Matrix<const T> RowsOf(const T* first) {
  static_assert(sizeof(EmbeddedRow<T>) % sizeof(T) == 0, "rows must lie a whole number apart");
  return {first, sizeof(EmbeddedRow<T>) / sizeof(T)};
}

// A block of rows of one net: values in its first rows, tangents below.
template <typename T>
class EmbeddingBlock {
 public:
  EmbeddingBlock(const SmoothPart<T>& part, T* scratch)
      : part_(part),
        nets_(*part.nets),
        last_(nets_.nlayers - 1),
        width_(nets_.width[last_]),
        stride_(Stride<T>(width_)),
        tables_(TablesAt(nets_, part.packed)),
        at_(BlocksAt(nets_, scratch)) {}

  // The embedding of rows [begin, end) and its tangent along theirs.
  void Forward(const PackedNet<T>& net, int64_t begin, int64_t end) {
    rows_ = part_.rows + begin;
    n_ = end - begin;
    for (int64_t r = 0; r < n_; ++r) {
      const T *offset = tables_.offset.Row(rows_[r].pair), radial = rows_[r].radial;
      const T tangent = rows_[r].radial_tangent;
      T *value = at_.hidden[0].Row(r), *below = at_.hidden[0].Row(n_ + r);
      for (int64_t i = 0; i < nets_.width[0]; i += kLanes<T>) {
        const Vec<T> scale = At(net.scale + i);
        const Vec<T> h = Tanh<T>(radial * scale + At(offset + i));
        At(value + i) = h;
        At(below + i) = (T(1) - h * h) * (tangent * scale);
      }
    }
    for (int64_t k = 1; k <= last_; ++k) Layer(net, k);
    if (nets_.factors != nullptr) Scale();
  }

  // Adds the block to Rᵀ G of its atoms, and to its tangent.
  void Contract() const {
    ForAtoms([&](int64_t r, int64_t n, int64_t at) {
      const Matrix<T> g = RowsFrom(at_.scaled, r), g_tangent = RowsFrom(at_.scaled, n_ + r);
      Add(n, RowsOf(rows_[r].row), g, part_.contracted + at);
      if (part_.contracted_tangent == nullptr) return;
      Add(n, RowsOf(rows_[r].tangent), g, part_.contracted_tangent + at);
      Add(n, RowsOf(rows_[r].row), g_tangent, part_.contracted_tangent + at);
    });
  }

  void Keep(int64_t begin) const {
    for (int64_t r = 0; r < n_; ++r) {
      T* to = part_.embedding + (begin + r) * 2 * stride_;
      Copy(RoundUp<T>(width_), at_.scaled.Row(r), to);
      Copy(RoundUp<T>(width_), at_.scaled.Row(n_ + r), to + stride_);
    }
  }

  // After `Forward`: adds the gradients by the weights to `sum` and `tables`.
  void Backward(const PackedNet<T>& net, const NetWeights<T>& sum, const PairTables<T>& tables) {
    ContractBack();
    if (nets_.factors != nullptr) ScaleBack(tables.factors);
    for (int64_t k = last_; k > 0; --k) LayerBack(net, sum, k);
    const Matrix<T> grad = at_.grad[0];
    for (int64_t r = 0; r < n_; ++r) {
      const T radial = rows_[r].radial, tangent = rows_[r].radial_tangent;
      const T *hidden = at_.hidden[0].Row(r), *below = at_.hidden[0].Row(n_ + r);
      T* offset = tables.offset.Row(rows_[r].pair);
      for (int64_t i = 0; i < nets_.width[0]; i += kLanes<T>) {
        Vec<T> by_sum, by_tangent;
        TanhBack(At(hidden + i), At(below + i), At(grad.Row(r) + i), At(grad.Row(n_ + r) + i),
                 &by_sum, &by_tangent);
        At(offset + i) += by_sum;
        At(sum.scale + i) += radial * by_sum + tangent * by_tangent;
      }
    }
  }

 private:
  static BlockRows<T> BlocksAt(const EmbeddingNets<T>& nets, T* scratch) {
    Arena<T> arena(scratch);
    return BlockRows<T>(nets, &arena);
  }

  static Matrix<T> RowsFrom(Matrix<T> rows, int64_t first) {
    return {rows.Row(first), rows.stride};
  }

  // Calls f(first row, number of rows, where its contraction is) for each run of rows of an atom.
  template <typename F>
  void ForAtoms(const F& f) const {
    for (int64_t r = 0; r < n_;) {
      int64_t end = r + 1;
      while (end < n_ && rows_[end].atom == rows_[r].atom) ++end;
      f(r, end - r, rows_[r].atom * kRowWidth * stride_);
      r = end;
    }
  }

  void Add(int64_t n, Matrix<const T> rows, Matrix<T> g, T* contracted) const {
    Multiply<true, T>(kRowWidth, width_, n, rows, {g.data, g.stride}, {contracted, stride_}, kAdd);
  }

  void Layer(const PackedNet<T>& net, int64_t k) {
    const int64_t in = nets_.width[k - 1], out = nets_.width[k];
    Product(2 * n_, out, in, at_.x[k - 1], net.matrix[k], at_.hidden[k]);
    for (int64_t r = 0; r < n_; ++r) {
      T *hidden = at_.hidden[k].Row(r), *below = at_.hidden[k].Row(n_ + r);
      T *x = at_.x[k].Row(r), *x_tangent = at_.x[k].Row(n_ + r);
      for (int64_t i = 0; i < out; i += kLanes<T>) {
        const Vec<T> step = At(net.step[k] + i);
        const Vec<T> h = Tanh<T>(At(hidden + i) + At(net.bias[k] + i));
        const Vec<T> tangent = (T(1) - h * h) * At(below + i);
        At(hidden + i) = h;
        At(below + i) = tangent;
        At(x + i) = h * step;
        At(x_tangent + i) = tangent * step;
      }
      AddShortcut(in, out, at_.x[k - 1].Row(r), x);
      AddShortcut(in, out, at_.x[k - 1].Row(n_ + r), x_tangent);
    }
  }

  void Scale() {
    for (int64_t r = 0; r < n_; ++r) {
      const T* factor = tables_.factors.Row(rows_[r].pair);
      const T weight = rows_[r].weight, tangent = rows_[r].weight_tangent;
      const T *x = at_.x[last_].Row(r), *x_tangent = at_.x[last_].Row(n_ + r);
      T *g = at_.scaled.Row(r), *g_tangent = at_.scaled.Row(n_ + r);
      for (int64_t i = 0; i < width_; i += kLanes<T>) {
        const Vec<T> f = At(factor + i), scale = T(1) + weight * f;
        At(g + i) = At(x + i) * scale;
        At(g_tangent + i) = At(x_tangent + i) * scale + At(x + i) * (tangent * f);
      }
    }
  }

  void ContractBack() {
    const Matrix<T> grad = at_.grad[last_];
    ForAtoms([&](int64_t r, int64_t n, int64_t at) {
      const auto multiply = [&](const T* rows, const T* by, Matrix<T> to, Mode mode) {
        Multiply<false, T>(n, width_, kRowWidth, RowsOf(rows), {by + at, stride_}, to, mode);
      };
      multiply(rows_[r].row, part_.grad, RowsFrom(grad, r), kSet);
      multiply(rows_[r].tangent, part_.grad_tangent, RowsFrom(grad, r), kAdd);
      multiply(rows_[r].row, part_.grad_tangent, RowsFrom(grad, n_ + r), kSet);
    });
  }

  void ScaleBack(Matrix<T> sum) {
    for (int64_t r = 0; r < n_; ++r) {
      const T* factor = tables_.factors.Row(rows_[r].pair);
      const T weight = rows_[r].weight, tangent = rows_[r].weight_tangent;
      const T *x = at_.x[last_].Row(r), *x_tangent = at_.x[last_].Row(n_ + r);
      T *grad = at_.grad[last_].Row(r), *below = at_.grad[last_].Row(n_ + r);
      T* to = sum.Row(rows_[r].pair);
      for (int64_t i = 0; i < width_; i += kLanes<T>) {
        const Vec<T> f = At(factor + i), scale = T(1) + weight * f;
        const Vec<T> by_g = At(grad + i), by_tangent = At(below + i);
        At(to + i) += by_g * (weight * At(x + i)) +
                      by_tangent * (weight * At(x_tangent + i) + tangent * At(x + i));
        At(grad + i) = by_g * scale + by_tangent * (tangent * f);
        At(below + i) = by_tangent * scale;
      }
    }
  }

  // From the gradients by h = tanh(z) and its tangent h' = (1 - h²) z' those by z and z'.
  static void TanhBack(Vec<T> h, Vec<T> tangent, Vec<T> by_h, Vec<T> by_h_tangent, Vec<T>* by_sum,
                       Vec<T>* by_tangent) {
    const Vec<T> slope = T(1) - h * h;
    *by_tangent = by_h_tangent * slope;
    *by_sum = by_h * slope - T(2) * by_h_tangent * h * tangent;
  }

  void LayerBack(const PackedNet<T>& net, const NetWeights<T>& sum, int64_t k) {
    const int64_t in = nets_.width[k - 1], out = nets_.width[k];
    for (int64_t r = 0; r < n_; ++r) {
      const T *hidden = at_.hidden[k].Row(r), *below = at_.hidden[k].Row(n_ + r);
      const T *grad = at_.grad[k].Row(r), *grad_below = at_.grad[k].Row(n_ + r);
      T *to = at_.grad_sum.Row(r), *to_below = at_.grad_sum.Row(n_ + r);
      for (int64_t i = 0; i < out; i += kLanes<T>) {
        const Vec<T> step = At(net.step[k] + i), h = At(hidden + i), tangent = At(below + i);
        Vec<T> by_sum, by_tangent;
        TanhBack(h, tangent, At(grad + i) * step, At(grad_below + i) * step, &by_sum, &by_tangent);
        At(to + i) = by_sum;
        At(to_below + i) = by_tangent;
        At(sum.bias[k] + i) += by_sum;
        At(sum.step[k] + i) += At(grad + i) * h + At(grad_below + i) * tangent;
      }
    }
    TransposedProduct(in, out, 2 * n_, at_.x[k - 1], at_.grad_sum, sum.matrix[k], kAdd);
    Product(2 * n_, in, out, at_.grad_sum, net.transposed[k], at_.grad[k - 1]);
    for (int64_t r = 0; r < 2 * n_; ++r) {
      AddShortcutBack(in, out, at_.grad[k].Row(r), at_.grad[k - 1].Row(r));
    }
  }

  const SmoothPart<T>& part_;
  const EmbeddingNets<T>& nets_;
  const int64_t last_;
  const int64_t width_;
  const int64_t stride_;
  const PairTables<T> tables_;
  const BlockRows<T> at_;
  const EmbeddedRow<T>* rows_ = nullptr;
  int64_t n_ = 0;
};

// Calls f(net, begin, end) for blocks of rows of a net.
template <typename T, typename F>
void ForBlocks(const SmoothPart<T>& part, const F& f) {
  for (int64_t net = 0; net < part.nets->nnets; ++net) {
    const int64_t first = part.net_begin[net];
    const Parts blocks(part.net_begin[net + 1] - first, kEmbeddingRows);
    for (int64_t b = 0; b < blocks.number; ++b) {
      f(net, first + blocks.Begin(b), first + blocks.Begin(b + 1));
    }
  }
}

template <typename T>
void Describe(const SmoothPart<T>* part, T* scratch) {
  const int64_t width = part->nets->width[part->nets->nlayers - 1];
  const int64_t size = part->natoms * kRowWidth * Stride<T>(width);
  EmbeddingBlock<T> block(*part, scratch);
  memset(part->contracted, 0, size * sizeof(T));
  if (part->contracted_tangent != nullptr) memset(part->contracted_tangent, 0, size * sizeof(T));
  ForBlocks(*part, [&](int64_t net, int64_t begin, int64_t end) {
    block.Forward(NetAt(*part->nets, net, part->packed), begin, end);
    block.Contract();
    if (part->embedding != nullptr) block.Keep(begin);
  });
  for (int64_t i = 0; i < size; i += kLanes<T>) {
    At(part->contracted + i) /= part->count;
    if (part->contracted_tangent != nullptr) At(part->contracted_tangent + i) /= part->count;
  }
}

template <typename T>
void RowGradients(const SmoothPart<T>* part, T* gradients) {
  const int64_t width = part->nets->width[part->nets->nlayers - 1], stride = Stride<T>(width);
  for (int64_t r = 0; r < part->net_begin[part->nets->nnets]; ++r) {
    const EmbeddedRow<T>& row = part->rows[r];
    const Matrix<const T> grad = {part->grad + row.atom * kRowWidth * stride, stride};
    const T *g = part->embedding + 2 * r * stride, *slope = g + stride;
    Vec<T> radial = {}, by_row[kRowWidth] = {};
    for (int64_t i = 0; i < width; i += kLanes<T>) {
      Vec<T> by_g = {};
      for (int c = 0; c < kRowWidth; ++c) {
        by_g += row.row[c] * At(grad.Row(c) + i);
        by_row[c] += At(g + i) * At(grad.Row(c) + i);
      }
      radial += At(slope + i) * by_g;
    }
    T* to = gradients + kRowWidth * r;
    for (int c = 0; c < kRowWidth; ++c) to[c] = Sum<T>(by_row[c]);
    to[0] += Sum<T>(radial);
  }
}

template <typename T>
void AddEmbeddingGradients(const SmoothPart<T>* part, T* scratch, T* sums, char* touched) {
  const EmbeddingNets<T>& nets = *part->nets;
  EmbeddingBlock<T> block(*part, scratch);
  const PairTables<T> tables = TablesAt<T>(nets, sums);
  ForBlocks(*part, [&](int64_t net, int64_t begin, int64_t end) {
    T* of_net = sums + TablesSize(nets) + net * WeightsSize(nets);
    if (!touched[net]) memset(of_net, 0, WeightsSize(nets) * sizeof(T));
    touched[net] = 1;
    Arena<T> arena(of_net);
    const PackedNet<T> packed = NetAt(nets, net, part->packed);
    block.Forward(packed, begin, end);
    block.Backward(packed, NetWeights<T>(nets, &arena), tables);
  });
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_EMBEDDING_H_
