// The table of one instruction set; compiled once for each, see simd/instruction_set.h. Loops that
// the compiler turns into vectors, of the same functions and with the same bits as single pairs.
#include "kernels.h"
#include "kernels/common/factor_switch.h"
#include "kernels/common/selection_distance.h"
#include "kernels/common/smooth_row.h"
#include "kernels/cpu/simd/instruction_set.h"

namespace {

using deepattn::FactorSwitch;
using deepattn::FrameAtoms;
using deepattn::PairColumns;
using deepattn::RowSettings;
using deepattn::SelectionDistance;
using deepattn::SmoothFactors;
using deepattn::SmoothFactorsOf;
using deepattn::ThroughRow;

template <typename F>
bool SquareDistances(const FrameAtoms<F>* atoms, int64_t center, const int32_t* list,
                     int64_t listed, float* distance) {
  const FrameAtoms<F> all = *atoms;
  const int32_t natoms = static_cast<int32_t>(all.natoms), own = static_cast<int32_t>(center);
  int32_t wrong = 0;
  for (int64_t k = 0; k < listed; ++k) {
    const int32_t j = list[k];
    wrong |= (j < 0) | (j >= natoms) | (j == own);
  }
  if (wrong != 0) return false;
  const F from[3] = {all.coord[3 * center], all.coord[3 * center + 1], all.coord[3 * center + 2]};
#pragma GCC ivdep
  for (int64_t k = 0; k < listed; ++k) {
    const int64_t j = list[k];
    const F to[3] = {all.coord[3 * j], all.coord[3 * j + 1], all.coord[3 * j + 2]};
    const float q = SelectionDistance(from, to);
    distance[k] = all.atype[j] < 0 ? INFINITY : q;
  }
  return true;
}

// What is asked once, not for each pair, leaves a loop without branches.
template <typename F, int switch_kind>
void FillWith(const RowSettings<F>& settings, const PairColumns<F>& pairs, int64_t npairs) {
  const PairColumns<F> to = pairs;
  const F range[2] = {settings.switch_range[0], settings.switch_range[1]};
  const float rcut = settings.rcut, rcut_smth = settings.rcut_smth;
#pragma GCC ivdep
  for (int64_t j = 0; j < npairs; ++j) {
    const F d[3] = {to.d[0][j], to.d[1][j], to.d[2][j]};
    const SmoothFactors<F> factors = SmoothFactorsOf(rcut, rcut_smth, d);
    for (int c = 0; c < 4; ++c) to.row[c][j] = factors.row[c];
    to.radial[j] = factors.radial;
    to.outer[j] = factors.outer;
    to.diagonal[j] = factors.diagonal;
    F weight, slope;
    FactorSwitch(switch_kind, range, factors.row[0], d, &weight, &slope);
    to.weight[j] = weight;
    to.slope[j] = slope;
  }
}

template <typename F>
void Fill(const RowSettings<F>* settings, const PairColumns<F>* pairs, int64_t npairs) {
  switch (settings->switch_kind) {
    case DEEPATTN_NO_SWITCH:
      return FillWith<F, DEEPATTN_NO_SWITCH>(*settings, *pairs, npairs);
    case DEEPATTN_SWITCH_OF_INVERSE:
      return FillWith<F, DEEPATTN_SWITCH_OF_INVERSE>(*settings, *pairs, npairs);
    default:
      return FillWith<F, DEEPATTN_SWITCH_OF_DISTANCE>(*settings, *pairs, npairs);
  }
}

template <typename F>
void Through(const PairColumns<F>* pairs, int64_t npairs, const F* const* by_row, F* const* t) {
  const PairColumns<F> from = *pairs;
  F* const out[3] = {t[0], t[1], t[2]};
  const F* const by[4] = {by_row[0], by_row[1], by_row[2], by_row[3]};
#pragma GCC ivdep
  for (int64_t j = 0; j < npairs; ++j) {
    const F d[3] = {from.d[0][j], from.d[1][j], from.d[2][j]};
    const F by_one[4] = {by[0][j], by[1][j], by[2][j], by[3][j]};
    SmoothFactors<F> factors = {};
    factors.radial = from.radial[j];
    factors.outer = from.outer[j];
    factors.diagonal = from.diagonal[j];
    F one[3];
    ThroughRow(factors, d, by_one, one);
    for (int k = 0; k < 3; ++k) out[k][j] = one[k];
  }
}

template <typename F>
constexpr deepattn::RowKernels<F> kKernels = {SquareDistances<F>, Fill<F>, Through<F>};

}  // namespace

namespace deepattn {

const RowTable DEEPATTN_TABLE(kRows) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
