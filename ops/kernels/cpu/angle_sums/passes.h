// The three passes over the pairs of one atom's slots; see layer_block.h.
//
// c is the same in both orders of two slots, so where the net is too, a pair is one row that counts
// twice: with factors always, with offsets for two slots of one type.
#ifndef DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_PASSES_H_

#include "kernels/cpu/pair_embedding/layer_block.h"
#include "kernels/cpu/simd/partial.h"
#include "memory.h"

namespace {

template <typename T>
class Atom : LayerBlock<T> {
 public:
  Atom(const PackedEmbeddedSumsCall<T>& call, int64_t atom, int pass, T* scratch)
      : LayerBlock<T>(call.shape.net, call.packed, pass, scratch),
        call_(call),
        atom_(atom),
        pass_(pass),
        scaled_(call.shape.net.nfactors > 0),
        arena_(scratch + LayerColumnsSize<T>(&call.shape.net, pass)),
        slots_(call.shape, pass, &arena_),
        pairs_(call.shape, pass, &arena_),
        factors_(FactorsOf(call)) {
    FindSlots();
    MakePairs();
  }

  void Forward() {
    T* out = call_.output + atom_ * width_;
    memset(out, 0, width_ * sizeof(T));
    ForBlocks([&](int64_t p) {
      for (int64_t i = 0; i < width_; ++i) {
        const T* column = at_.column[nlayers_].Row(i);
        Vec<T> sum = {};
        for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) {
          sum += Size(p + r) * ScaleOf(p, r, i) * At(column + r);
        }
        out[i] += Sum<T>(sum);
      }
    });
  }

  void Backward(T* sums) {
    const T* grad = call_.grad_output + atom_ * width_;
    Arena<T> arena(sums);
    const LayerSums<T> sum(shape_, &arena);
    ForBlocks([&](int64_t p) {
      ClearBlock(pairs_.grad_input + p);
      ClearBlock(pairs_.grad_weight + p);
      for (int64_t i = 0; i < width_; ++i) {
        const T* column = at_.column[nlayers_].Row(i);
        T* grad_column = at_.grad_column[nlayers_].Row(i);
        for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) {
          const Vec<T> embedded = At(column + r), scale = ScaleOf(p, r, i);
          const Vec<T> by_sum = grad[i] * At(pairs_.times + p + r);
          const Vec<T> by_scaled = by_sum * At(pairs_.input + p + r);
          At(pairs_.grad_input + p + r) += by_sum * scale * embedded;
          At(grad_column + r) = by_scaled * scale;
          if (!scaled_) continue;
          At(pairs_.grad_weight + p + r) += by_scaled * embedded * At(pairs_.factor.Row(i) + r);
          At(pairs_.by_factor.Row(i) + r) = by_scaled * embedded * At(pairs_.weight + p + r);
        }
      }
      if (sums != nullptr) AddByFactors(sum);
      this->LayersBackward(sums == nullptr ? nullptr : &sum);
      AddColumn(at_.grad_column[0].Row(0), pairs_.grad_input + p);
    });
    for (T* x : slots_.grad_row) memset(x, 0, nslots_ * sizeof(T));
    memset(slots_.grad_weight, 0, nslots_ * sizeof(T));
    ForPairs([&](int64_t k, int64_t other, int64_t p, int64_t q) {
      Join(k, other, p, q, pairs_.grad_input);
      for (int x = 0; x < 3; ++x)
        AddByPairs(k, pairs_.grad_input + p, slots_.row[x], slots_.grad_row[x]);
      if (scaled_) AddByPairs(k, pairs_.grad_weight + p, slots_.weight, slots_.grad_weight);
    });
    WriteSlots();
  }

  void DoubleBackward(T* sums) {
    const T* grad = call_.grad_output + atom_ * width_;
    T* out = call_.grad_grad_output + atom_ * width_;
    memset(out, 0, width_ * sizeof(T));
    Arena<T> arena(sums);
    const LayerSums<T> sum(shape_, &arena);
    ForBlocks([&](int64_t p) {
      memcpy(at_.tangent[0].Row(0), pairs_.input_tangent + p, kBlockRows * sizeof(T));
      this->ComputeTangents();
      ClearBlock(pairs_.grad_input + p);
      ClearBlock(pairs_.grad_weight + p);
      ClearBlock(pairs_.outer_grad_input + p);
      ClearBlock(pairs_.outer_grad_weight + p);
      for (int64_t i = 0; i < width_; ++i) out[i] += ColumnDoubleBackward(p, i, grad[i]);
      AddByFactors(sum);
      this->LayersDoubleBackward(sum, /*of_input=*/true);
      AddColumn(at_.grad_column[0].Row(0), pairs_.grad_input + p);
      AddColumn(at_.outer_grad_column[0].Row(0), pairs_.outer_grad_input + p);
    });
    for (T* x : slots_.grad_row) memset(x, 0, nslots_ * sizeof(T));
    memset(slots_.grad_weight, 0, nslots_ * sizeof(T));
    ForPairs([&](int64_t k, int64_t other, int64_t p, int64_t q) {
      Join(k, other, p, q, pairs_.grad_input);
      Join(k, other, p, q, pairs_.outer_grad_input);
      for (int x = 0; x < 3; ++x) {
        AddByPairs(k, pairs_.outer_grad_input + p, slots_.row[x], slots_.grad_row[x]);
        AddByPairs(k, pairs_.grad_input + p, slots_.row_tangent[x], slots_.grad_row[x]);
      }
      if (!scaled_) return;
      AddByPairs(k, pairs_.outer_grad_weight + p, slots_.weight, slots_.grad_weight);
      AddByPairs(k, pairs_.grad_weight + p, slots_.weight_tangent, slots_.grad_weight);
    });
    WriteSlots();
  }

 private:
  using LayerBlock<T>::at_;
  using LayerBlock<T>::index_;
  using LayerBlock<T>::n_;
  using LayerBlock<T>::nlayers_;
  using LayerBlock<T>::shape_;
  using LayerBlock<T>::width_;

  static Matrix<T> FactorsOf(const PackedEmbeddedSumsCall<T>& call) {
    Arena<T> arena(const_cast<T*>(call.packed));
    return Parameters<T>(call.shape, &arena).factors;
  }

  static void ClearBlock(T* x) { memset(x, 0, kBlockRows * sizeof(T)); }

  // Those with rows that are not 0, by their types.
  void FindSlots() {
    const SumsShape& shape = call_.shape;
    const int64_t first = atom_ * shape.nnei;
    memset(slots_.begin, 0, (shape.kinds + 1) * sizeof(int32_t));
    for (int64_t s = first; s < first + shape.nnei; ++s) {
      if (Counts(s)) ++slots_.begin[call_.index[s] + 1];
    }
    for (int64_t t = 0; t < shape.kinds; ++t) slots_.begin[t + 1] += slots_.begin[t];
    nslots_ = slots_.begin[shape.kinds];
    // Each begin moves on to its end.
    for (int64_t s = first; s < first + shape.nnei; ++s) {
      if (Counts(s)) TakeSlot(s, slots_.begin[call_.index[s]]++);
    }
    for (int64_t k = 0; k < nslots_; ++k) slots_.end[k] = slots_.begin[slots_.kind[k]];
  }

  bool Counts(int64_t slot) const {
    const T* row = call_.rows + 3 * slot;
    // A row that is not a number counts.
    return !(row[0] == T(0) && row[1] == T(0) && row[2] == T(0));
  }

  void TakeSlot(int64_t slot, int64_t k) {
    const int64_t place = slot - atom_ * call_.shape.nnei;
    slots_.slot[k] = static_cast<int32_t>(place);
    slots_.kind[k] = call_.index[slot];
    slots_.times[k] = call_.times[place];
    for (int x = 0; x < 3; ++x) slots_.row[x][k] = call_.rows[3 * slot + x];
    slots_.weight[k] = scaled_ ? call_.weight[slot] : T(0);
    if (pass_ != kDoubleBackward) return;
    for (int x = 0; x < 3; ++x) slots_.row_tangent[x][k] = call_.grad_grad_rows[3 * slot + x];
    slots_.weight_tangent[k] = scaled_ ? call_.grad_grad_weight[slot] : T(0);
  }

  // Calls do_pairs(k, other, p, q) for each slot k: its pairs with slots k, k + 1, … are those from
  // number p on, and with offsets its pairs with slots `other`, … of other types are there a second
  // time, in the other order, from number q on. Returns the number of all.
  template <typename DoPairs>
  int64_t ForPairs(const DoPairs& do_pairs) const {
    int64_t p = 0;
    for (int64_t k = 0; k < nslots_; ++k) {
      const int64_t other = scaled_ ? nslots_ : slots_.end[k], q = p + nslots_ - k;
      do_pairs(k, other, p, q);
      p = q + nslots_ - other;
    }
    return p;
  }

  void MakePairs() {
    const int32_t kinds = static_cast<int32_t>(call_.shape.kinds);
    npairs_ = ForPairs([&](int64_t k, int64_t other, int64_t p, int64_t q) {
      const auto make = [&](int64_t l, int64_t to, int32_t index, T times) {
        pairs_.index[to] = index;
        pairs_.times[to] = times * slots_.times[k] * slots_.times[l];
        pairs_.input[to] = Dot(k, l);
        pairs_.weight[to] = slots_.weight[k] * slots_.weight[l];
        if (pass_ != kDoubleBackward) return;
        pairs_.input_tangent[to] = DotTangent(k, l);
        pairs_.weight_tangent[to] = slots_.weight_tangent[k] * slots_.weight[l] +
                                    slots_.weight[k] * slots_.weight_tangent[l];
      };
      for (int64_t l = k; l < nslots_; ++l) {
        const T times = l == k || l >= other ? T(1) : T(2);
        make(l, p + l - k, slots_.kind[k] * kinds + slots_.kind[l], times);
      }
      for (int64_t l = other; l < nslots_; ++l) {
        make(l, q + l - other, slots_.kind[l] * kinds + slots_.kind[k], T(1));
      }
    });
    // Rows behind the last one count for nothing.
    for (int64_t p = npairs_; p < npairs_ + kBlockRows; ++p) {
      pairs_.index[p] = 0;
      pairs_.times[p] = pairs_.input[p] = pairs_.weight[p] = T(0);
      if (pass_ == kDoubleBackward) pairs_.input_tangent[p] = pairs_.weight_tangent[p] = T(0);
    }
  }

  T Dot(int64_t k, int64_t l) const {
    T sum = T(0);
    for (const T* x : slots_.row) sum += x[k] * x[l];
    return sum;
  }

  T DotTangent(int64_t k, int64_t l) const {
    T sum = T(0);
    for (int x = 0; x < 3; ++x) {
      const T *row = slots_.row[x], *tangent = slots_.row_tangent[x];
      sum += tangent[k] * row[l] + row[k] * tangent[l];
    }
    return sum;
  }

  // Calls do_block(p) with the layers of the pairs from number p on.
  template <typename DoBlock>
  void ForBlocks(const DoBlock& do_block) {
    for (int64_t p = 0; p < npairs_; p += kBlockRows) {
      n_ = npairs_ - p < kBlockRows ? npairs_ - p : kBlockRows;
      index_ = pairs_.index + p;
      memcpy(at_.column[0].Row(0), pairs_.input + p, kBlockRows * sizeof(T));
      this->ComputeLayers();
      for (int64_t r = 0; r < kBlockRows && scaled_; ++r) {
        const T* factor = factors_.Row(index_[r]);
        for (int64_t i = 0; i < width_; ++i) pairs_.factor.Row(i)[r] = factor[i];
      }
      do_block(p);
    }
  }

  // times c, of the pairs from number p on.
  Vec<T> Size(int64_t p) const { return At(pairs_.times + p) * At(pairs_.input + p); }

  // What column i of the embedding is multiplied with.
  Vec<T> ScaleOf(int64_t p, int64_t r, int64_t i) const {
    const Vec<T> one = Vec<T>{} + T(1);
    return scaled_ ? one + At(pairs_.weight + p + r) * At(pairs_.factor.Row(i) + r) : one;
  }

  // From the gradient by number i of the result; returns its tangent.
  T ColumnDoubleBackward(int64_t p, int64_t i, T grad) const {
    const T *column = at_.column[nlayers_].Row(i), *tangent = at_.tangent[nlayers_].Row(i);
    T* grad_column = at_.grad_column[nlayers_].Row(i);
    T* outer_grad_column = at_.outer_grad_column[nlayers_].Row(i);
    Vec<T> sum = {};
    for (int64_t r = 0; r < kBlockRows; r += kLanes<T>) {
      const Vec<T> embedded = At(column + r), embedded_tangent = At(tangent + r);
      const Vec<T> c = At(pairs_.input + p + r), c_tangent = At(pairs_.input_tangent + p + r);
      const Vec<T> scale = ScaleOf(p, r, i), times = At(pairs_.times + p + r);
      // Of c E, without the scale.
      const Vec<T> size = c * embedded, size_tangent = c_tangent * embedded + c * embedded_tangent;
      const Vec<T> by_sum = grad * times;
      sum += times * scale * size_tangent;
      At(grad_column + r) = by_sum * scale * c;
      At(outer_grad_column + r) = by_sum * scale * c_tangent;
      At(pairs_.grad_input + p + r) += by_sum * scale * embedded;
      At(pairs_.outer_grad_input + p + r) += by_sum * scale * embedded_tangent;
      if (!scaled_) continue;
      const Vec<T> factor = At(pairs_.factor.Row(i) + r);
      const Vec<T> weight = At(pairs_.weight + p + r);
      const Vec<T> weight_tangent = At(pairs_.weight_tangent + p + r);
      const Vec<T> scale_tangent = weight_tangent * factor;
      sum += times * scale_tangent * size;
      At(outer_grad_column + r) += by_sum * scale_tangent * c;
      At(pairs_.outer_grad_input + p + r) += by_sum * scale_tangent * embedded;
      At(pairs_.grad_weight + p + r) += by_sum * factor * size;
      At(pairs_.outer_grad_weight + p + r) += by_sum * factor * size_tangent;
      At(pairs_.by_factor.Row(i) + r) = by_sum * (weight * size_tangent + weight_tangent * size);
    }
    return Sum<T>(sum);
  }

  void AddByFactors(const LayerSums<T>& sum) const {
    for (int64_t r = 0; r < n_ && scaled_; ++r) {
      T* to = sum.factors.Row(index_[r]);
      for (int64_t i = 0; i < width_; ++i) to[i] += pairs_.by_factor.Row(i)[r];
    }
  }

  // Adds what belongs to the pairs in the other order to the others, see ForPairs.
  void Join(int64_t k, int64_t other, int64_t p, int64_t q, T* x) const {
    for (int64_t l = other; l < nslots_; ++l) x[p + l - k] += x[q + l - other];
  }

  // From the gradient by the products of number k with those from k on, the gradient by each.
  void AddByPairs(int64_t k, const T* grad, const T* number, T* to) const {
    Vec<T> sum = {};
    for (int64_t l = k; l < nslots_; l += kLanes<T>) {
      const int64_t n = nslots_ - l;
      const Vec<T> by_pair = Load(grad + l - k, n);
      sum += by_pair * Load(number + l, n);
      Store<T>(Load(to + l, n) + by_pair * number[k], n, to + l);
    }
    to[k] += Sum<T>(sum);
  }

  void WriteSlots() const {
    const int64_t nnei = call_.shape.nnei;
    T* rows = call_.grad_rows + 3 * atom_ * nnei;
    memset(rows, 0, 3 * nnei * sizeof(T));
    for (int64_t k = 0; k < nslots_; ++k) {
      for (int x = 0; x < 3; ++x) rows[3 * slots_.slot[k] + x] = slots_.grad_row[x][k];
    }
    if (!scaled_) return;
    T* weight = call_.grad_weight + atom_ * nnei;
    memset(weight, 0, nnei * sizeof(T));
    for (int64_t k = 0; k < nslots_; ++k) weight[slots_.slot[k]] = slots_.grad_weight[k];
  }

  const PackedEmbeddedSumsCall<T>& call_;
  const int64_t atom_;
  const int pass_;
  const bool scaled_;
  Arena<T> arena_;
  const SlotMemory<T> slots_;
  const PairMemory<T> pairs_;
  const Matrix<T> factors_;
  int64_t nslots_ = 0;
  int64_t npairs_ = 0;
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_ANGLE_SUMS_PASSES_H_
