// Sums over pairs that land on the neighbor, without atomics on floats: each slot of a
// neighborhood is listed under the atom it holds, and every atom adds up its list in the order of
// slots. So results are the same from run to run.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_GATHER_H_
#define DEEPATTN_OPS_KERNELS_CUDA_GATHER_H_

#include <math.h>

#include "kernels/common/pair_derivative.h"
#include "kernels/common/pairs.h"
#include "problem.h"
#include "scan.h"

namespace deepattn {

// Σ_d in_deriv[a][d] · along[d] for each column a of the environment matrix.
template <typename T>
DEEPATTN_DEVICE Numbers<T, 4> AlongPair(const Numbers<T, 12>& in_deriv, const T* along) {
  Numbers<T, 4> out;
  for (int a = 0; a < 4; ++a) {
    out[a] = along[0] * in_deriv[3 * a] + along[1] * in_deriv[3 * a + 1] +
             along[2] * in_deriv[3 * a + 2];
  }
  return out;
}

// What pairs are gathered with; atoms of all frames follow each other.
template <typename T>
struct PairLists {
  T* terms;          // [pairs][3]: the derivative of the energy along each pair
  int32_t* counts;   // [nframes * nall]: pairs of each atom
  int64_t* begins;   // [nframes * nall + 1]
  int64_t* sums;     // of the scan
  uint32_t* seat;    // [pairs]: place in the atom's list
  uint32_t* listed;  // [pairs]: slots of the frame, by atom

  PairLists() = default;

  PairLists(const deepattn_pairs& pairs, Memory* memory) {
    const int64_t atoms = pairs.nframes * pairs.nall;
    const int64_t slots = pairs.nframes * pairs.nloc * pairs.nnei;
    terms = memory->Take<T>(3 * slots);
    counts = memory->Take<int32_t>(atoms);
    begins = memory->Take<int64_t>(atoms + 1);
    sums = memory->Take<int64_t>(2 * ScanBlocks(atoms) + 1);
    seat = memory->Take<uint32_t>(slots);
    listed = memory->Take<uint32_t>(slots);
  }

  // Lists a slot under an atom of all frames.
  DEEPATTN_DEVICE void Count(int64_t atom, int64_t slot) const {
    seat[slot] = static_cast<uint32_t>(AtomicAdd(counts + atom, 1));
  }
};

// The atom that a slot is listed under, or a negative number: none. What is wrong is the center's.
DEEPATTN_DEVICE int64_t ListedUnder(const deepattn_pairs& pairs, int32_t neighbor, int64_t center) {
  return neighbor < pairs.nall ? neighbor : center;
}

// The derivatives of one center's pairs; minus their sum is the force they leave on it. Where a
// neighbor is no atom they are not numbers, and so is what the center gets.
template <typename T>
struct FindTerms {
  static constexpr int kThreads = 64;

  deepattn_pairs pairs;
  const T* net_deriv;
  const T* in_deriv;
  const int32_t* nlist;
  T* own;  // [nframes][nall][3], or null: not asked for
  PairLists<T> lists;
  deepattn_cuda_problem* problem;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t unit = block.index(), first = unit * pairs.nnei;
    const int64_t frame = unit / pairs.nloc, center = unit % pairs.nloc;
    const auto sum = block.Sum<double, 3>(pairs.nnei, [&](int64_t k, Numbers<double, 3>* to) {
      const int64_t slot = first + k;
      const auto net = Load<4>(net_deriv + 4 * slot);
      const auto in = Load<12>(in_deriv + 12 * slot);
      T t[3];
      PairDerivative(net.at, in.at, t);
      const bool wrong = nlist[slot] >= pairs.nall;
      if (wrong) Report(problem, frame, center, kNeighborNoAtom);
      for (int c = 0; c < 3; ++c) {
        if (wrong) t[c] = static_cast<T>(NAN);
        lists.terms[3 * slot + c] = t[c];
        (*to)[c] += static_cast<double>(t[c]);
      }
      const int64_t j = ListedUnder(pairs, nlist[slot], center);
      if (j >= 0) lists.Count(frame * pairs.nall + j, slot);
    });
    if (own == nullptr) return;
    block.Each(1, [&](int64_t) {
      T* to = own + 3 * (frame * pairs.nall + center);
      for (int c = 0; c < 3; ++c) to[c] = static_cast<T>(-sum[c]);
    });
  }
};

struct FillLists {
  static constexpr int kThreads = 64;

  deepattn_pairs pairs;
  const int32_t* nlist;
  const int64_t* begins;
  const uint32_t* seat;
  uint32_t* listed;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t unit = block.index(), frame = unit / pairs.nloc;
    block.Each(pairs.nnei, [&](int64_t k) {
      const int64_t slot = unit * pairs.nnei + k;
      const int64_t j = ListedUnder(pairs, nlist[slot], unit % pairs.nloc);
      if (j < 0) return;
      listed[begins[frame * pairs.nall + j] + seat[slot]] =
          static_cast<uint32_t>(slot - frame * pairs.nloc * pairs.nnei);
    });
  }
};

// Begins lists, which a kernel then has to Count all pairs of.
template <typename T>
void BeginLists(Queue* queue, const deepattn_pairs& pairs, const PairLists<T>& lists) {
  if (pairs.nloc * pairs.nnei > int64_t{0xffffffff}) {
    queue->Fail(DEEPATTN_INVALID_ARGUMENT,
                "a frame has %lld atoms with %lld slots each, more than a list of pairs can number",
                static_cast<long long>(pairs.nloc), static_cast<long long>(pairs.nnei));
  }
  queue->Clear(lists.counts, 0, pairs.nframes * pairs.nall * sizeof(*lists.counts));
}

// Makes the lists of what was counted.
template <typename T>
void FinishLists(Queue* queue, const deepattn_pairs& pairs, const int32_t* nlist,
                 const PairLists<T>& lists) {
  ExclusiveScan(queue, lists.counts, pairs.nframes * pairs.nall, lists.begins, lists.sums);
  queue->Launch(pairs.nframes * pairs.nloc, 0,
                FillLists{pairs, nlist, lists.begins, lists.seat, lists.listed});
}

// Makes the lists, and `own` of FindTerms. What is behind nloc in it is left as it was.
template <typename T>
void ListPairs(Queue* queue, const deepattn_pairs& pairs, const T* net_deriv, const T* in_deriv,
               const int32_t* nlist, T* own, const PairLists<T>& lists,
               deepattn_cuda_problem* problem) {
  BeginLists(queue, pairs, lists);
  queue->Clear(problem, 0xff, sizeof(*problem));
  queue->Launch(pairs.nframes * pairs.nloc, 0,
                FindTerms<T>{pairs, net_deriv, in_deriv, nlist, own, lists, problem});
  FinishLists(queue, pairs, nlist, lists);
}

// Adds up n_sums numbers over the list of atom `block.index()`, in the order of slots:
// add(slot, &sums) with the slot over all frames.
template <typename T, int n_sums>
class ListSum {
 public:
  static constexpr int kThreads = 64;
  static constexpr int64_t kWindow = 512;  // slots that are put in order at once

  static int64_t SharedBytes() {
    Memory memory(nullptr);
    memory.Take<uint32_t>(kWindow);
    return memory.used();
  }

  template <typename Term, typename Add>
  DEEPATTN_DEVICE static Numbers<T, n_sums> Run(const Block& block, const deepattn_pairs& pairs,
                                                const PairLists<Term>& lists, const Add& add) {
    uint32_t* ordered = block.Shared().Take<uint32_t>(kWindow);
    const int64_t frame = block.index() / pairs.nall;
    const uint32_t* list = lists.listed + lists.begins[block.index()];
    const int64_t n = lists.counts[block.index()];
    Numbers<T, n_sums> all = {};
    for (int64_t begin = 0; begin < n; begin += kWindow) {
      const int64_t here = n - begin < kWindow ? n - begin : kWindow;
      block.Each(n, [&](int64_t k) {
        const uint32_t own = list[k];
        int64_t rank = -begin;
        for (int64_t other = 0; other < n; ++other) rank += list[other] < own;
        if (rank >= 0 && rank < here) ordered[rank] = own;
      });
      const auto sum = block.Sum<T, n_sums>(here, [&](int64_t k, Numbers<T, n_sums>* to) {
        add(frame * pairs.nloc * pairs.nnei + ordered[k], to);
      });
      for (int k = 0; k < n_sums; ++k) all[k] += sum[k];
    }
    return all;
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_GATHER_H_
