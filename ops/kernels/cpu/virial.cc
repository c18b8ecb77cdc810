#include "virial.h"

#include "scatter.h"

namespace deepattn {
namespace {

template <typename T>
void Virial(const deepattn_pairs& pairs, const T* net_deriv, const T* in_deriv, const T* rij,
            const int32_t* nlist, T* virial, T* atom_virial, const deepattn_threads& threads,
            deepattn_status* status) {
  FirstError error(status);
  ScatterPairs<T, 9>(pairs, threads, &error, atom_virial, [&](int64_t unit, T* sum) {
    for (int64_t slot = unit * pairs.nnei; slot < (unit + 1) * pairs.nnei; ++slot) {
      const int32_t j = nlist[slot];
      if (j < 0) continue;
      if (!CheckNeighbor(unit, unit / pairs.nloc, unit % pairs.nloc, j, pairs.nall, &error)) {
        return false;
      }
      T t[3];
      PairDerivative(net_deriv + 4 * slot, in_deriv + 12 * slot, t);
      T* share = sum + 9 * static_cast<int64_t>(j);
      for (int a = 0; a < 3; ++a) {
        for (int b = 0; b < 3; ++b) share[3 * a + b] += t[a] * rij[3 * slot + b];
      }
    }
    return true;
  });
  if (!error.ok()) return;
  ParallelFor(threads, pairs.nframes, 9 * pairs.nall, &error, [&] {
    return [&](int64_t frame) {
      double total[9] = {};
      const T* shares = atom_virial + frame * pairs.nall * 9;
      for (int64_t i = 0; i < pairs.nall; ++i) {
        for (int k = 0; k < 9; ++k) total[k] += shares[9 * i + k];
      }
      for (int k = 0; k < 9; ++k) virial[9 * frame + k] = static_cast<T>(total[k]);
      return true;
    };
  });
}

template <typename T>
void VirialGrad(const deepattn_pairs& pairs, const T* grad, const T* in_deriv, const T* rij,
                const int32_t* nlist, T* grad_net, const deepattn_threads& threads,
                deepattn_status* status) {
  FirstError error(status);
  ParallelFor(threads, pairs.nframes * pairs.nloc, 20 * pairs.nnei, &error, [&] {
    return [&](int64_t unit) {
      const T* g = grad + unit / pairs.nloc * 9;
      for (int64_t slot = unit * pairs.nnei; slot < (unit + 1) * pairs.nnei; ++slot) {
        const T* d = rij + 3 * slot;
        T along[3] = {0, 0, 0};  // grad · rij
        if (nlist[slot] >= 0) {
          for (int k = 0; k < 3; ++k) {
            along[k] = g[3 * k] * d[0] + g[3 * k + 1] * d[1] + g[3 * k + 2] * d[2];
          }
        }
        for (int a = 0; a < 4; ++a) {
          const T* deriv = in_deriv + 12 * slot + 3 * a;
          grad_net[4 * slot + a] = along[0] * deriv[0] + along[1] * deriv[1] + along[2] * deriv[2];
        }
      }
      return true;
    };
  });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_VIRIAL(T, suffix)                                                         \
  void deepattn_virial_##suffix(const deepattn_pairs* pairs, const T* net_deriv,                  \
                                const T* in_deriv, const T* rij, const int32_t* nlist, T* virial, \
                                T* atom_virial, const deepattn_threads* threads,                  \
                                deepattn_status* status) {                                        \
    deepattn::Guard(status, [&] {                                                                 \
      deepattn::Virial<T>(*pairs, net_deriv, in_deriv, rij, nlist, virial, atom_virial, *threads, \
                          status);                                                                \
    });                                                                                           \
  }                                                                                               \
  void deepattn_virial_grad_##suffix(const deepattn_pairs* pairs, const T* grad,                  \
                                     const T* in_deriv, const T* rij, const int32_t* nlist,       \
                                     T* grad_net, const deepattn_threads* threads,                \
                                     deepattn_status* status) {                                   \
    deepattn::Guard(status, [&] {                                                                 \
      deepattn::VirialGrad<T>(*pairs, grad, in_deriv, rij, nlist, grad_net, *threads, status);    \
    });                                                                                           \
  }

DEEPATTN_DEFINE_VIRIAL(float, f32)
DEEPATTN_DEFINE_VIRIAL(double, f64)
