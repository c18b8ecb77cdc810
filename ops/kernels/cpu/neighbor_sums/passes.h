// The passes over the slots of one atom, and over those that have one row of the features.
// common/passes.h explains the names.
#ifndef DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_PASSES_H_
#define DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_PASSES_H_

#include "kernels.h"
#include "kernels/cpu/simd/partial.h"

namespace {

using deepattn::IndexedNeighborSumsCall;

// Calls step(i, n) for every vector of a row: n numbers from number i on.
template <typename T, typename Step>
__attribute__((always_inline)) inline void ForRow(int64_t width, const Step& step) {
  int64_t i = 0;
  for (; i + kLanes<T> <= width; i += kLanes<T>) step(i, kLanes<T>);
  if (i < width) step(i, width - i);
}

// `convolves`: there are factors; `columns`: of the vectors, 0 without.
template <typename T, bool convolves, int columns>
class Sums {
 public:
  explicit Sums(const IndexedNeighborSumsCall<T>& call)
      : call_(call), nnei_(call.shape.nnei), width_(call.shape.width) {}

  void Forward(int64_t atom) const {
    Clear(atom, call_.convolution, call_.moments);
    for (int64_t slot = atom * nnei_; slot < (atom + 1) * nnei_; ++slot) {
      const T weight = call_.weight[slot];
      if (weight == T(0)) continue;
      const T* features = OfSlot(call_.features, slot);
      const Vector h = VectorOf(call_.vectors, slot);
      ForRow<T>(width_, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        const Vec<T> f = weight * Load(features + i, n);
        if (convolves) {
          Add(f * Load(Row(call_.factors, slot) + i, n), n, Row(call_.convolution, atom) + i);
        }
        for (int x = 0; x < columns; ++x) {
          Add(h.x[x] * f, n, Row(call_.moments, columns * atom + x) + i);
        }
      });
    }
  }

  void Backward(int64_t atom) const {
    for (int64_t slot = atom * nnei_; slot < (atom + 1) * nnei_; ++slot) {
      const T weight = call_.weight[slot];
      if (weight == T(0)) {
        ClearGradients(slot);
        continue;
      }
      const T* features = OfSlot(call_.features, slot);
      const Vector h = VectorOf(call_.vectors, slot);
      Vec<T> by_weight = {}, by_vector[columns + 1] = {};
      ForRow<T>(width_, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        const Vec<T> f = Load(features + i, n);
        Vec<T> along = {};  // by weighted features
        if (convolves) {
          const Vec<T> grad = Load(Row(call_.grad_convolution, atom) + i, n);
          along = grad * Load(Row(call_.factors, slot) + i, n);
          Store<T>(weight * grad * f, n, Row(call_.grad_factors, slot) + i);
        }
        for (int x = 0; x < columns; ++x) {
          const Vec<T> grad = Load(Row(call_.grad_moments, columns * atom + x) + i, n);
          along += h.x[x] * grad;
          by_vector[x] += grad * f;
        }
        by_weight += along * f;
        if (HasOwn()) Store<T>(weight * along, n, Row(call_.grad_features, slot) + i);
      });
      WriteGradients(slot, by_weight, by_vector, weight);
    }
  }

  void BackwardRow(int64_t row) const {
    T* out = Row(call_.grad_features, row);
    memset(out, 0, width_ * sizeof(T));
    for (int64_t k = call_.begin[row]; k < call_.begin[row + 1]; ++k) {
      const int64_t slot = call_.slots[k], atom = slot / nnei_;
      const Vector h = VectorOf(call_.vectors, slot);
      ForRow<T>(width_, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        Vec<T> along = {};
        if (convolves) {
          along = Load(Row(call_.grad_convolution, atom) + i, n) *
                  Load(Row(call_.factors, slot) + i, n);
        }
        for (int x = 0; x < columns; ++x) {
          along += h.x[x] * Load(Row(call_.grad_moments, columns * atom + x) + i, n);
        }
        Add(call_.weight[slot] * along, n, out + i);
      });
    }
  }

  void DoubleBackward(int64_t atom) const {
    Clear(atom, call_.grad_grad_convolution, call_.grad_grad_moments);
    for (int64_t slot = atom * nnei_; slot < (atom + 1) * nnei_; ++slot) {
      const T weight = call_.weight[slot], weight_tangent = call_.grad_grad_weight[slot];
      if (weight == T(0)) {
        ClearGradients(slot);
        continue;
      }
      const T *features = OfSlot(call_.features, slot),
              *tangents = OfSlot(call_.grad_grad_features, slot);
      const Vector h = VectorOf(call_.vectors, slot),
                   h_tangent = VectorOf(call_.grad_grad_vectors, slot);
      Vec<T> by_weight = {}, by_vector[columns + 1] = {};
      ForRow<T>(width_, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        const Vec<T> f = Load(features + i, n), f_tangent = Load(tangents + i, n);
        const Vec<T> weighted = weight * f;
        const Vec<T> weighted_tangent = weight_tangent * f + weight * f_tangent;
        Vec<T> along = {}, along_tangent = {};
        if (convolves) {
          const Vec<T> factor = Load(Row(call_.factors, slot) + i, n);
          const Vec<T> factor_tangent = Load(Row(call_.grad_grad_factors, slot) + i, n);
          const Vec<T> grad = Load(Row(call_.grad_convolution, atom) + i, n);
          Add(weighted_tangent * factor + weighted * factor_tangent, n,
              Row(call_.grad_grad_convolution, atom) + i);
          Store<T>(grad * weighted_tangent, n, Row(call_.grad_factors, slot) + i);
          along = grad * factor;
          along_tangent = grad * factor_tangent;
        }
        for (int x = 0; x < columns; ++x) {
          const Vec<T> grad = Load(Row(call_.grad_moments, columns * atom + x) + i, n);
          Add(h.x[x] * weighted_tangent + h_tangent.x[x] * weighted, n,
              Row(call_.grad_grad_moments, columns * atom + x) + i);
          along += h.x[x] * grad;
          along_tangent += h_tangent.x[x] * grad;
          by_vector[x] += grad * weighted_tangent;
        }
        by_weight += along * f_tangent + along_tangent * f;
        if (HasOwn()) {
          Store<T>(weight_tangent * along + weight * along_tangent, n,
                   Row(call_.grad_features, slot) + i);
        }
      });
      WriteGradients(slot, by_weight, by_vector, T(1));
    }
  }

  void DoubleBackwardRow(int64_t row) const {
    T* out = Row(call_.grad_features, row);
    memset(out, 0, width_ * sizeof(T));
    for (int64_t k = call_.begin[row]; k < call_.begin[row + 1]; ++k) {
      const int64_t slot = call_.slots[k], atom = slot / nnei_;
      const T weight = call_.weight[slot], weight_tangent = call_.grad_grad_weight[slot];
      const Vector h = VectorOf(call_.vectors, slot),
                   h_tangent = VectorOf(call_.grad_grad_vectors, slot);
      Vector by;  // the tangent of the weighted vector
      for (int x = 0; x < columns; ++x) by.x[x] = weight_tangent * h.x[x] + weight * h_tangent.x[x];
      ForRow<T>(width_, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        Vec<T> sum = {};
        if (convolves) {
          sum = (weight_tangent * Load(Row(call_.factors, slot) + i, n) +
                 weight * Load(Row(call_.grad_grad_factors, slot) + i, n)) *
                Load(Row(call_.grad_convolution, atom) + i, n);
        }
        for (int x = 0; x < columns; ++x) {
          sum += by.x[x] * Load(Row(call_.grad_moments, columns * atom + x) + i, n);
        }
        Add(sum, n, out + i);
      });
    }
  }

 private:
  struct Vector {
    T x[columns + 1] = {};  // not empty
  };

  static void Add(Vec<T> v, int64_t n, T* to) { Store<T>(Load(to, n) + v, n, to); }

  // Whether each slot has a row of the features of its own.
  bool HasOwn() const { return call_.index == nullptr; }

  template <typename Real>
  Real* Row(Real* tensor, int64_t row) const {
    return tensor + row * width_;
  }

  const T* OfSlot(const T* features, int64_t slot) const {
    return Row(features, HasOwn() ? slot : call_.index[slot]);
  }

  Vector VectorOf(const T* vectors, int64_t slot) const {
    Vector h;
    for (int x = 0; x < columns; ++x) h.x[x] = vectors[columns * slot + x];
    return h;
  }

  void Clear(int64_t atom, T* convolution, T* moments) const {
    if (convolves) memset(Row(convolution, atom), 0, width_ * sizeof(T));
    if (columns > 0) memset(Row(moments, columns * atom), 0, columns * width_ * sizeof(T));
  }

  void ClearGradients(int64_t slot) const {
    if (convolves) memset(Row(call_.grad_factors, slot), 0, width_ * sizeof(T));
    if (HasOwn()) memset(Row(call_.grad_features, slot), 0, width_ * sizeof(T));
    const Vec<T> none[columns + 1] = {};
    WriteGradients(slot, none[0], none, T(0));
  }

  void WriteGradients(int64_t slot, Vec<T> by_weight, const Vec<T>* by_vector, T scale) const {
    call_.grad_weight[slot] = Sum<T>(by_weight);
    for (int x = 0; x < columns; ++x) {
      call_.grad_vectors[columns * slot + x] = scale * Sum<T>(by_vector[x]);
    }
  }

  const IndexedNeighborSumsCall<T>& call_;
  const int64_t nnei_;
  const int64_t width_;
};

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_NEIGHBOR_SUMS_PASSES_H_
