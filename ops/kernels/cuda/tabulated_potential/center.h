// A center in the hands of a block of threads: its pairs, and what they are to the tables.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_CENTER_H_
#define DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_CENTER_H_

#include "arguments.h"
#include "kernels/common/smooth_row.h"
#include "kernels/cuda/contraction.h"
#include "kernels/cuda/tabulated_slots.h"

namespace deepattn {

// A row of the environment matrix, or all of a block's that have no neighbor.
template <typename T>
struct PotentialRow {
  Numbers<T, kColumns> row;
  TabulatedSlot<T> slot;
};

template <typename F>
struct PotentialPair {
  F d[3];
  SmoothFactors<F> factors;  // those of the derivative are zero if the pair is excluded
  F weight;
  F slope;  // of the weight, by the first number of the row
  int32_t type;
  bool kept;
};

template <typename F, typename T>
class Center {
 public:
  // `number`: among the centers of all frames. Takes shared memory.
  DEEPATTN_DEVICE Center(const PotentialArguments<F, T>& of, int64_t number, Memory* shared)
      : of_(of),
        first_(number * of.call.atoms.nnei),
        frame_(number / of.call.atoms.nloc),
        type_(of.TypeOf(number)),
        filled_(shared->Take<int64_t>(of.nblocks)),
        begins_(shared->Take<int64_t>(of.nblocks + 1)) {}

  static int64_t SharedBytes(int64_t nblocks) {
    Memory memory(nullptr);
    memory.Take<int64_t>(nblocks);
    memory.Take<int64_t>(nblocks + 1);
    return memory.used();
  }

  // Finds out how many neighbors there are, which are in the first slots of each block.
  DEEPATTN_DEVICE int64_t CountNeighbors(const Block& block) const {
    block.Each(of_.nblocks, [&](int64_t b) {
      int64_t low = of_.first_slot[b], high = of_.first_slot[b + 1];
      while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (of_.nlist[first_ + middle] >= 0) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      filled_[b] = low - of_.first_slot[b];
    });
    block.Each(of_.nblocks + 1, [&](int64_t b) {
      int64_t sum = 0;
      for (int64_t k = 0; k < b; ++k) sum += filled_[k];
      begins_[b] = sum;
    });
    return block.Get(begins_ + of_.nblocks);
  }

  DEEPATTN_DEVICE int64_t frame() const { return frame_; }

  // The slot of neighbor k, among those of all centers.
  DEEPATTN_DEVICE int64_t Slot(int64_t k) const {
    int64_t b = 0;
    while (begins_[b + 1] <= k) ++b;
    return first_ + of_.first_slot[b] + k - begins_[b];
  }

  DEEPATTN_DEVICE PotentialPair<F> Pair(int64_t slot) const {
    const deepattn_env_mat_shape& atoms = of_.call.atoms;
    PotentialPair<F> pair;
    for (int c = 0; c < 3; ++c) pair.d[c] = of_.rij[3 * slot + c];
    pair.factors = SmoothFactorsOf(atoms.rcut, atoms.rcut_smth, pair.d);
    FactorSwitch(of_.call.switch_kind, of_.switch_range.at, pair.factors.row[0], pair.d,
                 &pair.weight, &pair.slope);
    pair.type = of_.call.atype[frame_ * atoms.nall + of_.nlist[slot]];
    pair.kept = of_.call.IsKept(type_, pair.type);
    if (!pair.kept) pair.factors.radial = pair.factors.outer = pair.factors.diagonal = 0;
    return pair;
  }

  // Of neighbor k; behind all neighbors the rows of each block without one.
  DEEPATTN_DEVICE PotentialRow<T> Row(int64_t k) const {
    const int64_t neighbors = begins_[of_.nblocks];
    return k < neighbors ? PairRow(Slot(k)) : EmptyRows(k - neighbors);
  }

  DEEPATTN_DEVICE F InverseStd(int c) const { return F(1) / Statistics(of_.call.dstd)[c]; }

 private:
  // Of its type; the same for all slots.
  DEEPATTN_DEVICE const F* Statistics(const F* of_types) const {
    return of_types + kColumns * of_.call.atoms.nnei * type_;
  }

  DEEPATTN_DEVICE TabulatedSlot<T> Find(int32_t neighbor, T x, T weight) const {
    return FindSlot(of_.call.table_shape, of_.call.table, of_.call.factors, of_.range.at,
                    of_.call.PairNumber(type_, neighbor), x, weight);
  }

  DEEPATTN_DEVICE PotentialRow<T> PairRow(int64_t slot) const {
    const PotentialPair<F> pair = Pair(slot);
    const F* davg = Statistics(of_.call.davg);
    PotentialRow<T> row;
    for (int c = 0; c < kColumns; ++c) {
      row.row[c] = static_cast<T>(pair.kept ? (pair.factors.row[c] - davg[c]) * InverseStd(c)
                                            : of_.call.ExcludedElement(davg));
    }
    const T weight = pair.kept ? static_cast<T>(pair.weight) : T(0);
    row.slot = Find(pair.type, row.row[0], weight);
    return row;
  }

  DEEPATTN_DEVICE PotentialRow<T> EmptyRows(int64_t b) const {
    const int32_t type = of_.grouped ? static_cast<int32_t>(b) : of_.call.atoms.ntypes;
    const int64_t empty = of_.first_slot[b + 1] - of_.first_slot[b] - filled_[b];
    const T number = static_cast<T>(of_.call.IsKept(type_, type) ? empty : 0);
    const F* davg = Statistics(of_.call.davg);
    PotentialRow<T> row;
    for (int c = 0; c < kColumns; ++c) row.row[c] = static_cast<T>(-davg[c] * InverseStd(c));
    const T weight = of_.call.switch_kind == DEEPATTN_NO_SWITCH ? T(1) : T(0);
    row.slot = Find(type, row.row[0], weight);
    for (int c = 0; c < kColumns; ++c) row.row[c] *= number;
    return row;
  }

  const PotentialArguments<F, T>& of_;
  const int64_t first_;  // its first slot
  const int64_t frame_;
  const int32_t type_;
  int64_t* const filled_;  // [nblocks], the slots of each that hold a neighbor
  int64_t* const begins_;  // [nblocks + 1], and of those before
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_TABULATED_POTENTIAL_CENTER_H_
