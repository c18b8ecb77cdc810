// From the derivatives by the descriptors to those along pairs, a block of threads a center, and
// from these to forces and virials, a block an atom.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_DERIVE_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_DERIVE_H_

#include "center.h"

namespace deepattn {

template <typename F, typename T>
struct DerivePairs {
  static constexpr int kThreads = kContractThreads;
  static constexpr int kSums = 2 + kColumns;  // by the number, the weight, the row of a slot

  PotentialArguments<F, T> of;

  static int64_t SharedBytes(int64_t nblocks) {
    Memory memory(nullptr);
    memory.Take<PotentialRow<T>>(kSlots);
    memory.Take<Numbers<T, kSums>>(kSlots);
    return memory.used() + Center<F, T>::SharedBytes(nblocks);
  }

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t number = of.first + block.index(), place = of.PlaceOf(block.index());
    Memory memory = block.Shared();
    auto* rows = memory.Take<PotentialRow<T>>(kSlots);
    auto* gradients = memory.Take<Numbers<T, kSums>>(kSlots);
    const Center<F, T> center(of, number, &memory);
    const int64_t neighbors = center.CountNeighbors(block);
    if (place >= 0) DescribeBack(block, place);
    // That of a center which is invalid is not a number, with neighbors or without.
    Numbers<double, 3> own = {};
    if (place < 0 && !of.IsValid(number)) own = {{NAN, NAN, NAN}};
    for (int64_t j0 = 0; j0 < neighbors; j0 += kSlots) {
      const int64_t n = neighbors - j0 < kSlots ? neighbors - j0 : kSlots;
      if (place >= 0) {
        block.Each(n, [&](int64_t j) { rows[j] = center.Row(j0 + j); });
        const T* grad = of.GradContracted(place);
        block.SumEach<T, kSums>(
            n, of.Width(),
            [&](int64_t j, int64_t k, Numbers<T, kSums>* sums) {
              Numbers<T, kColumns> columns;
              for (int c = 0; c < kColumns; ++c) columns[c] = grad[c * of.Width() + k];
              TabulatedFunction<T>(of.call.table_shape, rows[j].slot, k)
                  .AddGradients(rows[j].row, columns, sums);
            },
            [&](int64_t j, const Numbers<T, kSums>& sums) { gradients[j] = sums; });
      }
      const auto sum = block.Sum<double, 3>(n, [&](int64_t j, Numbers<double, 3>* to) {
        const int64_t slot = center.Slot(j0 + j);
        F* t = of.lists.terms + 3 * slot;
        if (place >= 0) {
          Derive(center, slot, gradients[j], t);
        } else {
          for (int c = 0; c < 3; ++c) t[c] = static_cast<F>(NAN);
        }
        for (int c = 0; c < 3; ++c) (*to)[c] += static_cast<double>(t[c]);
        of.lists.Count(center.frame() * of.call.atoms.nall + of.nlist[slot], slot);
      });
      for (int c = 0; c < 3; ++c) own[c] -= sum[c];
    }
    block.Each(1, [&](int64_t) {
      for (int c = 0; c < 3; ++c) of.own[3 * number + c] = own[c];
    });
  }

 private:
  // From the derivative by D = Bᵀ B[:, :axis] to that by Rᵀ G.
  DEEPATTN_DEVICE void DescribeBack(const Block& block, int64_t place) const {
    const int64_t width = of.Width(), axis = of.call.axis;
    const T *by_d = of.Descriptors(place).data, *b = of.Contracted(place);
    T* grad = of.GradContracted(place);
    block.Each(kColumns * width, [&](int64_t item) {
      const int64_t i = item % width;
      const T* column = b + item - i;
      T sum = 0;
      for (int64_t k = 0; k < axis; ++k) sum += by_d[i * axis + k] * column[k];
      grad[item] = sum / of.call.count;
    });
    block.SumEach<T, kColumns>(
        axis, width,
        [&](int64_t k, int64_t i, Numbers<T, kColumns>* sums) {
          for (int c = 0; c < kColumns; ++c) (*sums)[c] += by_d[i * axis + k] * b[c * width + i];
        },
        [&](int64_t k, const Numbers<T, kColumns>& sums) {
          for (int c = 0; c < kColumns; ++c) grad[c * width + k] += sums[c] / of.call.count;
        });
  }

  // The derivative along a pair.
  DEEPATTN_DEVICE void Derive(const Center<F, T>& center, int64_t slot,
                              const Numbers<T, kSums>& gradient, F* t) const {
    const PotentialPair<F> pair = center.Pair(slot);
    F by_row[kColumns];
    for (int c = 0; c < kColumns; ++c) {
      const T grad = gradient[2 + c] + (c == 0 ? gradient[0] : T(0));
      by_row[c] = static_cast<F>(grad) * center.InverseStd(c);
    }
    by_row[0] += pair.slope * static_cast<F>(gradient[1]);
    ThroughRow(pair.factors, pair.d, by_row, t);
  }
};

// Sums in float64 always.
template <typename F, typename T>
struct GatherForces {
  using Sums = ListSum<double, 12>;
  static constexpr int kThreads = Sums::kThreads;

  PotentialArguments<F, T> of;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t atom = block.index();
    const auto sum =
        Sums::Run(block, of.pairs, of.lists, [&](int64_t slot, Numbers<double, 12>* to) {
          for (int k = 0; k < 3; ++k) {
            const double t = of.lists.terms[3 * slot + k];
            (*to)[k] += t;
            for (int l = 0; l < 3; ++l) (*to)[3 + 3 * k + l] += t * of.rij[3 * slot + l];
          }
        });
    block.Each(1, [&](int64_t) {
      const int64_t frame = atom / of.pairs.nall, local = atom % of.pairs.nall;
      const bool is_center = local < of.pairs.nloc;
      const double* own = of.own + 3 * (frame * of.pairs.nloc + local);
      // An invalid center has a virial that is none, though it may be nobody's neighbor.
      const bool invalid = is_center && !of.IsValid(frame * of.pairs.nloc + local);
      DEEPATTN_UNROLL
      for (int k = 0; k < 3; ++k) {
        of.call.force[3 * atom + k] = static_cast<F>(is_center ? sum[k] + own[k] : sum[k]);
      }
      DEEPATTN_UNROLL
      for (int k = 0; k < 9; ++k) {
        of.call.atom_virial[9 * atom + k] = static_cast<F>(invalid ? NAN : sum[3 + k]);
      }
    });
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_DERIVE_H_
