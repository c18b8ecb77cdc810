// The fitting net and its derivative, of a block of atoms.
#ifndef DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_NET_H_
#define DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_NET_H_

#include "kernels.h"
#include "kernels/cpu/simd/arena.h"
#include "triangle.h"

namespace {

using deepattn::FittingNet;
using deepattn::kMostHidden;

// A matrix of panels as wide as a tile of registers, [panel][inputs][kPanel].
template <typename T>
constexpr int64_t kPanel = kTileVectors * kLanes<T>;

inline int64_t Panels(int64_t columns, int64_t width) { return (columns + width - 1) / width; }

// What packing makes of a net.
template <typename T>
struct PackedNet {
  const int64_t input;
  T* forward[kMostHidden];
  T* backward[kMostHidden];  // of the transposed matrix
  T* bias[kMostHidden];
  T* step[kMostHidden];
  T* last;

  PackedNet(const FittingNet<T>& net, int64_t axis, T* packed, int64_t* size = nullptr)
      : input(Triangle::Of(net.input, axis).Size()) {
    Arena<T> arena(packed);
    for (int64_t k = 0; k < net.nhidden; ++k) {
      const int64_t in = k == 0 ? input : net.width[k - 1], out = net.width[k];
      forward[k] = arena.Row(Panels(out, kPanel<T>) * kPanel<T> * in);
      backward[k] = arena.Row(Panels(in, kPanel<T>) * kPanel<T> * out);
      bias[k] = arena.Row(RoundUp<T>(out));
      step[k] = arena.Row(RoundUp<T>(out));
    }
    last = arena.Row(RoundUp<T>(net.width[net.nhidden - 1]));
    if (size != nullptr) *size = arena.used();
  }
};

// Packs elements of a matrix of `rows` and `columns`: row(i) is a function of the column.
template <typename T, typename Row>
void PackPanels(int64_t rows, int64_t columns, const Row& row, T* packed) {
  for (int64_t p = 0; p < Panels(columns, kPanel<T>); ++p) {
    for (int64_t i = 0; i < rows; ++i) {
      const auto at = row(i);
      for (int64_t j = 0; j < kPanel<T>; ++j) {
        const int64_t column = p * kPanel<T> + j;
        *packed++ = column < columns ? at(column) : T(0);
      }
    }
  }
}

template <typename T>
void PackNet(const FittingNet<T>& net, int64_t axis, const PackedNet<T>& packed) {
  const Triangle triangle = Triangle::Of(net.input, axis);
  for (int64_t k = 0; k < net.nhidden; ++k) {
    const int64_t in = k == 0 ? packed.input : net.width[k - 1], out = net.width[k];
    const T* matrix = net.matrix[k];
    const auto element = [&](int64_t i, int64_t j) {
      return k > 0 ? matrix[i * out + j] : triangle.Element(matrix, out, i, j);
    };
    const auto forward = [&](int64_t i) { return [&, i](int64_t j) { return element(i, j); }; };
    const auto backward = [&](int64_t i) { return [&, i](int64_t j) { return element(j, i); }; };
    PackPanels<T>(in, out, forward, packed.forward[k]);
    PackPanels<T>(out, in, backward, packed.backward[k]);
    for (int64_t j = 0; j < RoundUp<T>(out); ++j) {
      packed.bias[k][j] = net.bias[k] == nullptr || j >= out ? T(0) : net.bias[k][j];
      packed.step[k][j] = net.step[k] == nullptr || j >= out ? T(1) : net.step[k][j];
    }
  }
  CopyPadded(net.width[net.nhidden - 1], net.last_matrix, packed.last);
}

// c [m][n] = a b, or c += a b, with b [k][n] in panels. The padding of c becomes that of b, zero.
template <typename T>
void MultiplyPanels(int64_t m, int64_t n, int64_t k, Matrix<T> a, const T* b, Matrix<T> c,
                    Mode mode) {
  for (int64_t j = 0; j < n; j += kPanel<T>) {
    const int64_t columns = n - j < kPanel<T> ? n - j : kPanel<T>;
    Multiply<false, T>(m, columns, k, {a.data, a.stride}, {b + j * k, kPanel<T>},
                       {c.data + j, c.stride}, mode);
  }
}

template <typename T>
class Net {
 public:
  Net(const FittingNet<T>& net, int64_t axis, const T* packed, int64_t natoms, Arena<T>* arena)
      : net_(net), packed_(net, axis, const_cast<T*>(packed)), natoms_(natoms) {
    int64_t widest = 0;
    for (int64_t k = 0; k < net.nhidden; ++k) {
      if (net.width[k] > widest) widest = net.width[k];
      slope_[k] = arena->Rows(natoms, net.width[k]);
    }
    for (Matrix<T>& rows : rows_) rows = arena->Rows(natoms, widest);
    sum_ = arena->Rows(natoms, widest);
  }

  // Where the offsets of the first sum go, [natoms][first width], padded with zeros.
  Matrix<T> offsets() const { return sum_; }

  // Takes D [natoms][input], as a Triangle has it, and leaves the derivative of the energies by it
  // in its place.
  void EnergyAndGradient(Matrix<T> input, T* energy) {
    const int64_t last = net_.nhidden - 1;
    for (int64_t k = 0; k <= last; ++k) {
      const int64_t in = k == 0 ? packed_.input : net_.width[k - 1], out = net_.width[k];
      if (k > 0) {
        for (int64_t i = 0; i < natoms_; ++i) Copy(RoundUp<T>(out), packed_.bias[k], sum_.Row(i));
      }
      MultiplyPanels<T>(natoms_, out, in, k == 0 ? input : Rows(k), packed_.forward[k], sum_, kAdd);
      Activate(k);
    }
    for (int64_t i = 0; i < natoms_; ++i) {
      Vec<T> sum = {};
      const T* row = Rows(last + 1).Row(i);
      for (int64_t j = 0; j < net_.width[last]; j += kLanes<T>) {
        sum += At(row + j) * At(packed_.last + j);
      }
      energy[i] = Sum<T>(sum) + *net_.last_bias;
      Copy(RoundUp<T>(net_.width[last]), packed_.last, Rows(last + 1).Row(i));
    }
    for (int64_t k = last; k >= 0; --k) {
      const int64_t in = k == 0 ? packed_.input : net_.width[k - 1], out = net_.width[k];
      const Matrix<T> grad = Rows(k + 1);
      for (int64_t i = 0; i < natoms_; ++i) {
        for (int64_t j = 0; j < out; j += kLanes<T>) {
          At(sum_.Row(i) + j) = At(grad.Row(i) + j) * At(slope_[k].Row(i) + j);
        }
      }
      MultiplyPanels<T>(natoms_, in, out, sum_, packed_.backward[k], k == 0 ? input : Rows(k),
                        kSet);
      if (k > 0) BypassBack(k, grad);
    }
  }

 private:
  // What goes into layer k > 0 and its gradient; two take turns.
  Matrix<T> Rows(int64_t k) const { return rows_[k % 2]; }

  void Activate(int64_t k) {
    const int64_t out = net_.width[k], in = k == 0 ? 0 : net_.width[k - 1];
    for (int64_t i = 0; i < natoms_; ++i) {
      T* row = Rows(k + 1).Row(i);
      for (int64_t j = 0; j < out; j += kLanes<T>) {
        const Vec<T> step = At(packed_.step[k] + j);
        const Vec<T> hidden = Tanh<T>(At(sum_.Row(i) + j));
        At(slope_[k].Row(i) + j) = (T(1) - hidden * hidden) * step;
        At(row + j) = hidden * step;
      }
      for (int64_t copy = 0; copy < net_.copies[k]; ++copy) {
        const T* x = Rows(k).Row(i);
        for (int64_t j = 0; j < in; ++j) row[copy * in + j] += x[j];
      }
    }
  }

  void BypassBack(int64_t k, Matrix<T> grad) {
    const int64_t in = net_.width[k - 1];
    for (int64_t copy = 0; copy < net_.copies[k]; ++copy) {
      for (int64_t i = 0; i < natoms_; ++i) {
        T* to = Rows(k).Row(i);
        const T* from = grad.Row(i) + copy * in;
        for (int64_t j = 0; j < in; ++j) to[j] += from[j];
      }
    }
  }

  const FittingNet<T>& net_;
  const PackedNet<T> packed_;
  const int64_t natoms_;
  Matrix<T> slope_[kMostHidden];
  Matrix<T> rows_[2];
  Matrix<T> sum_;
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_TABULATED_POTENTIAL_NET_H_
