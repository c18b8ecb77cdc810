// The fitting nets with their derivative: persistent blocks, each of which takes one tile of
// centers after the other.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_FIT_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_FIT_H_

#include "arguments.h"
#include "kernels/cuda/arena.h"
#include "kernels/cuda/rows.h"

namespace deepattn {

// Memory of a block of threads. Rows number k are what goes into layer k > 0, and its gradient; two
// take turns.
struct FittingLayout {
  int rows;  // centers of a tile
  Piece slope[kMostHidden];
  Piece row[2];
  Piece sum;
  Piece component;  // of the distances
  int64_t block_size;

  template <typename T>
  FittingLayout(const FittingNet<T>* nets, int64_t nnets, int64_t ncomponents, int rows)
      : rows(rows) {
    Arena arena;
    int64_t widest = 0;
    for (int64_t k = 0; k < kMostHidden; ++k) {
      int64_t width = 0;
      for (int64_t n = 0; n < nnets; ++n) {
        if (k < nets[n].nhidden) width = std::max(width, nets[n].width[k]);
      }
      slope[k] = arena.Rows(rows, width);
      widest = std::max(widest, width);
    }
    for (Piece& piece : row) piece = arena.Rows(rows, widest);
    sum = arena.Rows(rows, widest);
    component = arena.Rows(rows, ncomponents);
    block_size = arena.used();
  }
};

template <typename F, typename T>
class FittingTile {
 public:
  // Of n centers from a place on.
  DEEPATTN_DEVICE FittingTile(const Block& block, const PotentialArguments<F, T>& of,
                              const FittingLayout& layout, T* memory, int64_t net, int64_t place,
                              int n)
      : block_(block),
        of_(of),
        net_(of.nets[net]),
        layout_(layout),
        memory_(memory),
        place_(place),
        n_(n) {}

  // Leaves the derivative of the energies by the descriptors in their place.
  DEEPATTN_DEVICE void Evaluate() const {
    const int last = static_cast<int>(net_.nhidden) - 1;
    if (of_.call.distance != nullptr) FindDistances();
    for (int k = 0; k <= last; ++k) Forward(k);
    FindEnergies(last);
    for (int k = last; k >= 0; --k) Backward(k);
  }

 private:
  DEEPATTN_DEVICE int64_t CenterAt(int r) const { return of_.center_at[place_ + r]; }
  DEEPATTN_DEVICE int Width(int k) const { return static_cast<int>(net_.width[k]); }
  DEEPATTN_DEVICE int InputWidth(int k) const { return k == 0 ? of_.Input() : Width(k - 1); }
  DEEPATTN_DEVICE Matrix<T> Slope(int k) const { return layout_.slope[k].In(memory_); }
  DEEPATTN_DEVICE Matrix<T> Sum() const { return layout_.sum.In(memory_); }
  DEEPATTN_DEVICE Matrix<T> Row(int k) const {
    return k == 0 ? of_.Descriptors(place_) : layout_.row[k % 2].In(memory_);
  }
  DEEPATTN_DEVICE Matrix<const T> LayerMatrix(int k) const { return {net_.matrix[k], Width(k)}; }

  // The places of an offset of the first layer's sum, which there need not be.
  static DEEPATTN_DEVICE const T* Offset(const T* offsets, int64_t row, int width) {
    return offsets == nullptr ? nullptr : offsets + row * width;
  }

  DEEPATTN_FUNCTION void Forward(int k) const {
    const int in = InputWidth(k), out = Width(k);
    const Matrix<T> sum = Sum(), row = Row(k), next = Row(k + 1), slope = Slope(k);
    Times(block_, n_, out, in, row, LayerMatrix(k), sum);
    EachRow(block_, n_, [&](int r, const Lanes& lanes) {
      const int64_t center = CenterAt(r), frame = center / of_.call.atoms.nloc;
      const T* added[3] = {net_.bias[k], nullptr, nullptr};
      if (k == 0) {
        added[0] = Offset(of_.call.type_offset, of_.TypeOf(center), out);
        added[1] = Offset(of_.call.frame_offset, frame, out);
        added[2] = Offset(of_.call.atom_offset, center, out);
      }
      lanes.Each(out, [&](int i) {
        T x = sum.Row(r)[i];
        DEEPATTN_UNROLL
        for (int a = 0; a < 3; ++a) {
          if (added[a] != nullptr) x += added[a][i];
        }
        const T step = net_.step[k] == nullptr ? T(1) : net_.step[k][i];
        const T hidden = tanh(x);
        slope.Row(r)[i] = (T(1) - hidden * hidden) * step;
        next.Row(r)[i] = hidden * step + (net_.copies[k] == 0 ? T(0) : row.Row(r)[i % in]);
      });
    });
  }

  // And the derivative by the rows that go into the last layer, in their place.
  DEEPATTN_FUNCTION void FindEnergies(int last) const {
    const Matrix<T> row = Row(last + 1);
    EachRow(block_, n_, [&](int r, const Lanes& lanes) {
      const T energy = lanes.template Sum<T>(
          Width(last), [&](int i) { return row.Row(r)[i] * net_.last_matrix[i]; });
      lanes.Once(
          [&] { of_.call.atom_energy[CenterAt(r)] = static_cast<F>(energy + *net_.last_bias); });
      lanes.Each(Width(last), [&](int i) { row.Row(r)[i] = net_.last_matrix[i]; });
    });
  }

  DEEPATTN_FUNCTION void Backward(int k) const {
    const int in = InputWidth(k), out = Width(k);
    const Matrix<T> sum = Sum(), row = Row(k), next = Row(k + 1), slope = Slope(k);
    EachRow(block_, n_, [&](int r, const Lanes& lanes) {
      lanes.Each(out, [&](int i) { sum.Row(r)[i] = next.Row(r)[i] * slope.Row(r)[i]; });
    });
    TimesTransposed(block_, n_, in, out, sum, LayerMatrix(k), row);
    if (net_.copies[k] == 0) return;
    EachRow(block_, n_, [&](int r, const Lanes& lanes) {
      lanes.Each(in, [&](int i) {
        for (int j = i; j < out; j += in) row.Row(r)[i] += next.Row(r)[j];
      });
    });
  }

  DEEPATTN_FUNCTION void FindDistances() const {
    const DistanceBasis<T>& basis = of_.call.distance_basis;
    const int n = static_cast<int>(basis.ncomponents);
    const Matrix<T> offset = layout_.component.In(memory_);
    Times(block_, n_, n, of_.Input(), Row(0), Matrix<const T>{basis.basis, n}, offset);
    EachRow(block_, n_, [&](int r, const Lanes& lanes) {
      const T* origin = basis.origin + static_cast<int64_t>(of_.TypeOf(CenterAt(r))) * n;
      lanes.Each(n, [&](int i) { offset.Row(r)[i] -= origin[i]; });
    });
    EachRow(block_, n_, [&](int r, const Lanes& lanes) {
      const int64_t center = CenterAt(r);
      const T* root = basis.root + static_cast<int64_t>(of_.TypeOf(center)) * n * n;
      const T square = lanes.template Sum<T>(n, [&](int j) {
        T sum = 0;
        for (int i = 0; i < n; ++i) sum += offset.Row(r)[i] * root[i * n + j];
        return sum * sum;
      });
      lanes.Once([&] { of_.call.distance[center] = SquareRoot(static_cast<F>(square)); });
    });
  }

  const Block& block_;
  const PotentialArguments<F, T>& of_;
  const FittingNet<T>& net_;
  const FittingLayout& layout_;
  T* const memory_;
  const int64_t place_;
  const int n_;
};

template <typename F, typename T>
struct FitEnergies {
  static constexpr int kThreads = kGemmThreads;

  PotentialArguments<F, T> of;
  FittingLayout layout;
  T* memory;  // [blocks][block_size]
  int64_t blocks;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    int64_t before = 0;  // tiles of the nets before
    int64_t tile = block.index();
    for (int64_t net = 0; net < of.call.nnets; ++net) {
      const int64_t first = of.places[net * of.centers];
      const int64_t end = of.places[(net + 1) * of.centers];
      const int64_t tiles = (end - first + layout.rows - 1) / layout.rows;
      for (; tile < before + tiles; tile += blocks) {
        const int64_t place = first + (tile - before) * layout.rows;
        const int64_t n = end - place < layout.rows ? end - place : layout.rows;
        FittingTile<F, T>(block, of, layout, memory + block.index() * layout.block_size, net, place,
                          static_cast<int>(n))
            .Evaluate();
      }
      before += tiles;
    }
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_FIT_H_
