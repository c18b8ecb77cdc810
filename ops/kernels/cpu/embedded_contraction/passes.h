// The three passes over the rows of a unit of atoms: in blocks through the pair embedding, and
// contracted while they are in the cache.
#ifndef DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_PASSES_H_

#include "kernels/cpu/pair_embedding/passes.h"
#include "memory.h"

namespace {

template <typename T>
class Atoms {
 public:
  Atoms(const PackedEmbeddedSumsCall<T>& call, int64_t unit, int pass, T* scratch)
      : call_(call),
        shape_(call.shape),
        width_(shape_.net.width[shape_.net.nlayers]),
        columns_(shape_.columns),
        scaled_(shape_.net.nfactors > 0),
        first_(unit * kAtomsAtOnce),
        natoms_(shape_.natoms - first_ < kAtomsAtOnce ? shape_.natoms - first_ : kAtomsAtOnce),
        pass_(pass),
        layers_(scratch),
        arena_(scratch + LayerColumnsSize<T>(&shape_.net, pass)),
        rows_(shape_, &arena_),
        atoms_(shape_, &arena_),
        block_(shape_, pass, &arena_) {
    FindRows();
    Clear(atoms_.output, kAtomsAtOnce * kMostRowColumns);
    // Behind the rows of the net there must be numbers, for whole vectors of them.
    Clear(block_.output, kBlockRows);
    if (pass == kForward) return;
    ReadGradients();
    ClearSlots(call.grad_rows, columns_);
    if (scaled_) ClearSlots(call.grad_weight, 1);
    if (pass == kDoubleBackward) Clear(block_.output_tangent, kBlockRows);
  }

  void Forward() {
    ForBlocks([&](const PackedEmbeddingCall<T>& net, int64_t n) {
      Block<T>(net, 0, kForward, layers_, block_.output.stride).Forward();
      ForAtoms(n, [&](int64_t atom, int64_t r, int64_t m) {
        AddContraction(m, block_.numbers.From(r), block_.output.From(r), atom);
      });
    });
    WriteOutput(call_.output);
  }

  void Backward(T* sums) {
    ForBlocks([&](const PackedEmbeddingCall<T>& net, int64_t n) {
      ForAtoms(n, [&](int64_t atom, int64_t r, int64_t m) {
        Product(m, width_, kMostRowColumns, block_.numbers.From(r), Gradients(atom),
                block_.grad_output.From(r));
      });
      Block<T>(net, 0, kBackward, layers_, block_.output.stride).Backward(sums);
      ForAtoms(n,
               [&](int64_t atom, int64_t r, int64_t m) { WriteSlots(atom, r, m, block_.output); });
    });
  }

  void DoubleBackward(T* sums) {
    ForBlocks([&](const PackedEmbeddingCall<T>& net, int64_t n) {
      ForAtoms(n, [&](int64_t atom, int64_t r, int64_t m) {
        Product(m, width_, kMostRowColumns, block_.numbers.From(r), Gradients(atom),
                block_.grad_output.From(r));
        Product(m, width_, kMostRowColumns, block_.numbers_tangent.From(r), Gradients(atom),
                block_.outer_grad_output.From(r));
      });
      Block<T>(net, 0, kDoubleBackward, layers_, block_.output.stride,
               block_.outer_grad_output.data)
          .DoubleBackward(sums);
      ForAtoms(n, [&](int64_t atom, int64_t r, int64_t m) {
        AddContraction(m, block_.numbers_tangent.From(r), block_.output.From(r), atom);
        AddContraction(m, block_.numbers.From(r), block_.output_tangent.From(r), atom);
        WriteSlots(atom, r, m, block_.output_tangent);
      });
    });
    WriteOutput(call_.grad_grad_output);
  }

 private:
  static void Clear(Matrix<T> rows, int64_t n) {
    memset(rows.data, 0, n * rows.stride * sizeof(T));
  }

  void ClearSlots(T* array, int64_t columns) const {
    const int64_t size = shape_.nnei * columns;
    memset(array + first_ * size, 0, natoms_ * size * sizeof(T));
  }

  // Output of an atom, += numbers^T · rows of the net, of m rows.
  void AddContraction(int64_t m, Matrix<T> numbers, Matrix<T> rows, int64_t atom) const {
    TransposedProduct(kMostRowColumns, width_, m, numbers, rows,
                      atoms_.output.From(atom * kMostRowColumns), kAdd);
  }

  Matrix<T> Gradients(int64_t atom) const {
    return atoms_.grad_output.From(atom * kMostRowColumns);
  }

  void ReadGradients() const {
    Clear(atoms_.grad_output, kAtomsAtOnce * kMostRowColumns);
    for (int64_t atom = 0; atom < natoms_; ++atom) {
      for (int64_t x = 0; x < columns_; ++x) {
        Copy(width_, call_.grad_output + ((first_ + atom) * columns_ + x) * width_,
             Gradients(atom).Row(x));
      }
    }
  }

  void WriteOutput(T* to) const {
    for (int64_t atom = 0; atom < natoms_; ++atom) {
      for (int64_t x = 0; x < columns_; ++x) {
        Copy(width_, atoms_.output.Row(atom * kMostRowColumns + x),
             to + ((first_ + atom) * columns_ + x) * width_);
      }
    }
  }

  void FindRows() {
    const int64_t nnei = shape_.nnei;
    for (int64_t slot = first_ * nnei; slot < (first_ + natoms_) * nnei; ++slot) {
      if (!Counts(slot)) continue;
      const int64_t last = nrows_ - 1;
      const T times = call_.times[slot % nnei];
      if (nrows_ > 0 && slot % nnei > 0 && rows_.first[last] + rows_.number[last] == slot &&
          IsLike(slot, slot - 1)) {
        ++rows_.number[last];
        rows_.times[last] += times;
        continue;
      }
      rows_.first[nrows_] = static_cast<int32_t>(slot);
      rows_.number[nrows_] = 1;
      rows_.times[nrows_++] = times;
    }
  }

  // A row that is not a number counts.
  bool Counts(int64_t slot) const {
    const T* row = call_.rows + columns_ * slot;
    bool zero = true;
    for (int64_t x = 0; x < columns_; ++x) zero = zero && row[x] == T(0);
    return !zero && call_.times[slot % shape_.nnei] != T(0);
  }

  // Whether two slots of an atom have the same numbers, as empty ones do.
  bool IsLike(int64_t slot, int64_t other) const {
    bool like = call_.index[slot] == call_.index[other];
    for (int64_t x = 0; x < columns_; ++x) {
      like = like && IsEqual(call_.rows, columns_ * slot + x, columns_ * other + x) &&
             IsEqual(call_.grad_grad_rows, columns_ * slot + x, columns_ * other + x);
    }
    if (!scaled_) return like;
    return like && IsEqual(call_.weight, slot, other) &&
           IsEqual(call_.grad_grad_weight, slot, other);
  }

  static bool IsEqual(const T* array, int64_t one, int64_t other) {
    return array == nullptr || array[one] == array[other];
  }

  // Calls do_block(net, n) with the pair embedding of n rows, which are those from begin_ on.
  template <typename DoBlock>
  void ForBlocks(const DoBlock& do_block) {
    PackedEmbeddingCall<T> net = {};
    net.shape = shape_.net;
    net.packed = call_.packed;
    net.parameters = call_.parameters;
    net.input = block_.input;
    net.weight = block_.weight;
    net.index = block_.index;
    net.output = block_.output.data;
    net.grad_output = block_.grad_output.data;
    net.grad_grad_input = block_.input_tangent;
    net.grad_grad_weight = block_.weight_tangent;
    net.grad_grad_output = block_.output_tangent.data;
    net.grad_input = block_.grad_input;
    net.grad_weight = block_.grad_weight;
    for (begin_ = 0; begin_ < nrows_; begin_ += kBlockRows) {
      const int64_t n = nrows_ - begin_ < kBlockRows ? nrows_ - begin_ : kBlockRows;
      net.shape.nrows = n;
      for (int64_t r = 0; r < n; ++r) ReadRow(r);
      do_block(net, n);
    }
  }

  void ReadRow(int64_t r) const {
    const int64_t slot = rows_.first[begin_ + r];
    const T times = rows_.times[begin_ + r];
    block_.input[r] = call_.rows[columns_ * slot];
    block_.index[r] = call_.index[slot];
    if (scaled_) block_.weight[r] = call_.weight[slot];
    for (int64_t x = 0; x < kMostRowColumns; ++x) {
      block_.numbers.Row(r)[x] = x < columns_ ? times * call_.rows[columns_ * slot + x] : T(0);
    }
    if (pass_ != kDoubleBackward) return;
    block_.input_tangent[r] = call_.grad_grad_rows[columns_ * slot];
    if (scaled_) block_.weight_tangent[r] = call_.grad_grad_weight[slot];
    for (int64_t x = 0; x < kMostRowColumns; ++x) {
      block_.numbers_tangent.Row(r)[x] =
          x < columns_ ? times * call_.grad_grad_rows[columns_ * slot + x] : T(0);
    }
  }

  // Calls do_atom(atom, r, m) for each atom of a block of n rows: m rows from number r on.
  template <typename DoAtom>
  void ForAtoms(int64_t n, const DoAtom& do_atom) const {
    const auto atom_of = [&](int64_t r) { return rows_.first[begin_ + r] / shape_.nnei - first_; };
    for (int64_t r = 0, end; r < n; r = end) {
      for (end = r + 1; end < n && atom_of(end) == atom_of(r);) ++end;
      do_atom(atom_of(r), r, end - r);
    }
  }

  // Gradients by weights and by rows: through the net, and products of the atom's gradients with
  // `embedded`.
  void WriteSlots(int64_t atom, int64_t begin, int64_t m, Matrix<T> embedded) const {
    const Matrix<T> grad = Gradients(atom);
    for (int64_t r = begin; r < begin + m; ++r) {
      const int64_t row = begin_ + r;
      Vec<T> by_column[kMostRowColumns] = {};
      for (int64_t i = 0; i < width_; i += kLanes<T>) {
        const Vec<T> e = At(embedded.Row(r) + i);
        for (int64_t x = 0; x < kMostRowColumns; ++x) by_column[x] += At(grad.Row(x) + i) * e;
      }
      T by_number[kMostRowColumns];
      SumFour<T>(by_column, by_number);
      // Through the net all slots of a row come together.
      by_number[0] += block_.grad_input[r] / rows_.times[row];
      for (int64_t s = rows_.first[row]; s < rows_.first[row] + rows_.number[row]; ++s) {
        const T times = call_.times[s % shape_.nnei];
        for (int64_t x = 0; x < columns_; ++x) {
          call_.grad_rows[columns_ * s + x] = times * by_number[x];
        }
        if (!scaled_) continue;
        call_.grad_weight[s] = times * block_.grad_weight[r] / rows_.times[row];
      }
    }
  }

  const PackedEmbeddedSumsCall<T>& call_;
  const SumsShape& shape_;
  const int64_t width_;  // of the last layer
  const int64_t columns_;
  const bool scaled_;
  const int64_t first_;  // atom
  const int64_t natoms_;
  const int pass_;
  T* const layers_;
  Arena<T> arena_;
  const RowMemory<T> rows_;
  const AtomMemory<T> atoms_;
  const BlockMemory<T> block_;
  int64_t nrows_ = 0;
  int64_t begin_ = 0;  // row of the block among all
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_EMBEDDED_CONTRACTION_PASSES_H_
