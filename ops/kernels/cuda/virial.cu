#include "gather.h"
#include "virial.h"
#include "virial_sums.h"

namespace deepattn {
namespace {

// The pairs' virials, each on its neighbor.
template <typename T>
struct GatherVirial {
  static constexpr int kThreads = ListSum<T, 9>::kThreads;

  deepattn_pairs pairs;
  PairLists<T> lists;
  const T* rij;
  T* atom_virial;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const auto sum = ListSum<T, 9>::Run(block, pairs, lists, [&](int64_t slot, Numbers<T, 9>* to) {
      const T* t = lists.terms + 3 * slot;
      const T* d = rij + 3 * slot;
      for (int k = 0; k < 9; ++k) (*to)[k] += t[k / 3] * d[k % 3];
    });
    block.Each(9,
               [&](int64_t k) { atom_virial[9 * block.index() + k] = sum[static_cast<int>(k)]; });
  }
};

template <typename T>
struct VirialWorkspace {
  PairLists<T> lists;
  double* sums;

  VirialWorkspace(const deepattn_pairs& pairs, Memory* memory)
      : lists(pairs, memory), sums(memory->Take<double>(VirialSums(pairs))) {}
};

template <typename T>
struct SpreadVirialGrad {
  static constexpr int kThreads = 64;

  deepattn_pairs pairs;
  const T* grad;
  const T* in_deriv;
  const T* rij;
  const int32_t* nlist;
  T* grad_net;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t unit = block.index();
    const T* g = grad + unit / pairs.nloc * 9;
    block.Each(pairs.nnei, [&](int64_t k) {
      const int64_t slot = unit * pairs.nnei + k;
      const T* d = rij + 3 * slot;
      T along[3] = {0, 0, 0};  // grad · rij
      if (nlist[slot] >= 0) {
        for (int c = 0; c < 3; ++c) {
          along[c] = g[3 * c] * d[0] + g[3 * c + 1] * d[1] + g[3 * c + 2] * d[2];
        }
      }
      Store(grad_net + 4 * slot, AlongPair(Load<12>(in_deriv + 12 * slot), along));
    });
  }
};

template <typename T>
void Virial(const deepattn_pairs& pairs, const T* net_deriv, const T* in_deriv, const T* rij,
            const int32_t* nlist, T* virial, T* atom_virial, deepattn_cuda_problem* problem,
            void* workspace, int64_t bytes, Queue* queue) {
  Memory memory(workspace);
  const VirialWorkspace<T> work(pairs, &memory);
  if (!queue->Fits(memory, bytes)) return;
  const int64_t atoms = pairs.nframes * pairs.nall;
  ListPairs<T>(queue, pairs, net_deriv, in_deriv, nlist, nullptr, work.lists, problem);
  queue->Launch(atoms, ListSum<T, 9>::SharedBytes(),
                GatherVirial<T>{pairs, work.lists, rij, atom_virial});
  AddAtomVirials(queue, pairs.nframes, pairs.nall, atom_virial, work.sums, virial);
}

template <typename T>
void VirialGrad(const deepattn_pairs& pairs, const T* grad, const T* in_deriv, const T* rij,
                const int32_t* nlist, T* grad_net, Queue* queue) {
  queue->Launch(pairs.nframes * pairs.nloc, 0,
                SpreadVirialGrad<T>{pairs, grad, in_deriv, rij, nlist, grad_net});
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_CUDA_VIRIAL(T, suffix)                                                   \
  int64_t deepattn_cuda_virial_workspace_##suffix(const deepattn_pairs* pairs) {                 \
    deepattn::Memory memory(nullptr);                                                            \
    const deepattn::VirialWorkspace<T> work(*pairs, &memory);                                    \
    return memory.used();                                                                        \
  }                                                                                              \
  void deepattn_cuda_virial_##suffix(                                                            \
      const deepattn_pairs* pairs, const T* net_deriv, const T* in_deriv, const T* rij,          \
      const int32_t* nlist, T* virial, T* atom_virial, deepattn_cuda_problem* problem,           \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status) {         \
    deepattn::Queue queue(stream, status);                                                       \
    deepattn::Virial<T>(*pairs, net_deriv, in_deriv, rij, nlist, virial, atom_virial, problem,   \
                        workspace, workspace_bytes, &queue);                                     \
  }                                                                                              \
  void deepattn_cuda_virial_grad_##suffix(const deepattn_pairs* pairs, const T* grad,            \
                                          const T* in_deriv, const T* rij, const int32_t* nlist, \
                                          T* grad_net, void* stream, deepattn_status* status) {  \
    deepattn::Queue queue(stream, status);                                                       \
    deepattn::VirialGrad<T>(*pairs, grad, in_deriv, rij, nlist, grad_net, &queue);               \
  }

DEEPATTN_DEFINE_CUDA_VIRIAL(float, f32)
DEEPATTN_DEFINE_CUDA_VIRIAL(double, f64)
