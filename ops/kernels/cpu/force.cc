#include "force.h"

#include "scatter.h"

namespace deepattn {
namespace {

template <typename T>
void Force(const deepattn_pairs& pairs, const T* net_deriv, const T* in_deriv, const int32_t* nlist,
           T* force, const deepattn_threads& threads, deepattn_status* status) {
  FirstError error(status);
  ScatterPairs<T, 3>(pairs, threads, &error, force, [&](int64_t unit, T* sum) {
    const int64_t center = unit % pairs.nloc;
    double own[3] = {0, 0, 0};
    for (int64_t slot = unit * pairs.nnei; slot < (unit + 1) * pairs.nnei; ++slot) {
      T t[3];
      PairDerivative(net_deriv + 4 * slot, in_deriv + 12 * slot, t);
      for (int k = 0; k < 3; ++k) own[k] += t[k];
      const int32_t j = nlist[slot];
      if (j < 0) continue;
      if (!CheckNeighbor(unit, unit / pairs.nloc, center, j, pairs.nall, &error)) return false;
      for (int k = 0; k < 3; ++k) sum[3 * static_cast<int64_t>(j) + k] += t[k];
    }
    for (int k = 0; k < 3; ++k) sum[3 * center + k] -= static_cast<T>(own[k]);
    return true;
  });
}

template <typename T>
void ForceGrad(const deepattn_pairs& pairs, const T* grad, const T* in_deriv, const int32_t* nlist,
               T* grad_net, const deepattn_threads& threads, deepattn_status* status) {
  FirstError error(status);
  ParallelFor(threads, pairs.nframes * pairs.nloc, 12 * pairs.nnei, &error, [&] {
    return [&](int64_t unit) {
      const int64_t frame = unit / pairs.nloc;
      const int64_t center = unit % pairs.nloc;
      const T* rows = grad + frame * pairs.nall * 3;
      for (int64_t slot = unit * pairs.nnei; slot < (unit + 1) * pairs.nnei; ++slot) {
        const int32_t j = nlist[slot];
        T g[3] = {-rows[3 * center], -rows[3 * center + 1], -rows[3 * center + 2]};
        if (j >= 0) {
          if (!CheckNeighbor(unit, frame, center, j, pairs.nall, &error)) return false;
          for (int k = 0; k < 3; ++k) g[k] += rows[3 * static_cast<int64_t>(j) + k];
        }
        for (int a = 0; a < 4; ++a) {
          const T* deriv = in_deriv + 12 * slot + 3 * a;
          grad_net[4 * slot + a] = g[0] * deriv[0] + g[1] * deriv[1] + g[2] * deriv[2];
        }
      }
      return true;
    };
  });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_FORCE(T, suffix)                                                           \
  void deepattn_force_##suffix(const deepattn_pairs* pairs, const T* net_deriv, const T* in_deriv, \
                               const int32_t* nlist, T* force, const deepattn_threads* threads,    \
                               deepattn_status* status) {                                          \
    deepattn::Guard(status, [&] {                                                                  \
      deepattn::Force<T>(*pairs, net_deriv, in_deriv, nlist, force, *threads, status);             \
    });                                                                                            \
  }                                                                                                \
  void deepattn_force_grad_##suffix(const deepattn_pairs* pairs, const T* grad, const T* in_deriv, \
                                    const int32_t* nlist, T* grad_net,                             \
                                    const deepattn_threads* threads, deepattn_status* status) {    \
    deepattn::Guard(status, [&] {                                                                  \
      deepattn::ForceGrad<T>(*pairs, grad, in_deriv, nlist, grad_net, *threads, status);           \
    });                                                                                            \
  }

DEEPATTN_DEFINE_FORCE(float, f32)
DEEPATTN_DEFINE_FORCE(double, f64)
