#include "force.h"
#include "gather.h"

namespace deepattn {
namespace {

// Adds to the force of each atom what the pairs leave on it as a neighbor.
template <typename T>
struct GatherForce {
  static constexpr int kThreads = ListSum<T, 3>::kThreads;

  deepattn_pairs pairs;
  PairLists<T> lists;
  T* force;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const auto sum = ListSum<T, 3>::Run(block, pairs, lists, [&](int64_t slot, Numbers<T, 3>* to) {
      for (int c = 0; c < 3; ++c) (*to)[c] += lists.terms[3 * slot + c];
    });
    block.Each(1, [&](int64_t) {
      for (int c = 0; c < 3; ++c) force[3 * block.index() + c] += sum[c];
    });
  }
};

template <typename T>
struct SpreadForceGrad {
  static constexpr int kThreads = 64;

  deepattn_pairs pairs;
  const T* grad;
  const T* in_deriv;
  const int32_t* nlist;
  T* grad_net;
  deepattn_cuda_problem* problem;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const int64_t unit = block.index();
    const int64_t frame = unit / pairs.nloc, center = unit % pairs.nloc;
    const T* rows = grad + frame * pairs.nall * 3;
    block.Each(pairs.nnei, [&](int64_t k) {
      const int64_t slot = unit * pairs.nnei + k;
      const int32_t j = nlist[slot];
      T g[3] = {-rows[3 * center], -rows[3 * center + 1], -rows[3 * center + 2]};
      if (j >= pairs.nall) {
        Report(problem, frame, center, kNeighborNoAtom);
        for (int c = 0; c < 3; ++c) g[c] = static_cast<T>(NAN);
      } else if (j >= 0) {
        for (int c = 0; c < 3; ++c) g[c] += rows[3 * static_cast<int64_t>(j) + c];
      }
      Store(grad_net + 4 * slot, AlongPair(Load<12>(in_deriv + 12 * slot), g));
    });
  }
};

template <typename T>
void Force(const deepattn_pairs& pairs, const T* net_deriv, const T* in_deriv, const int32_t* nlist,
           T* force, deepattn_cuda_problem* problem, void* workspace, int64_t bytes, Queue* queue) {
  Memory memory(workspace);
  const PairLists<T> lists(pairs, &memory);
  if (!queue->Fits(memory, bytes)) return;
  const int64_t atoms = pairs.nframes * pairs.nall;
  queue->Clear(force, 0, 3 * atoms * sizeof(T));
  ListPairs(queue, pairs, net_deriv, in_deriv, nlist, force, lists, problem);
  queue->Launch(atoms, ListSum<T, 3>::SharedBytes(), GatherForce<T>{pairs, lists, force});
}

template <typename T>
void ForceGrad(const deepattn_pairs& pairs, const T* grad, const T* in_deriv, const int32_t* nlist,
               T* grad_net, deepattn_cuda_problem* problem, Queue* queue) {
  queue->Clear(problem, 0xff, sizeof(*problem));
  queue->Launch(pairs.nframes * pairs.nloc, 0,
                SpreadForceGrad<T>{pairs, grad, in_deriv, nlist, grad_net, problem});
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_CUDA_FORCE(T, suffix)                                                   \
  int64_t deepattn_cuda_force_workspace_##suffix(const deepattn_pairs* pairs) {                 \
    deepattn::Memory memory(nullptr);                                                           \
    const deepattn::PairLists<T> lists(*pairs, &memory);                                        \
    return memory.used();                                                                       \
  }                                                                                             \
  void deepattn_cuda_force_##suffix(                                                            \
      const deepattn_pairs* pairs, const T* net_deriv, const T* in_deriv, const int32_t* nlist, \
      T* force, deepattn_cuda_problem* problem, void* workspace, int64_t workspace_bytes,       \
      void* stream, deepattn_status* status) {                                                  \
    deepattn::Queue queue(stream, status);                                                      \
    deepattn::Force<T>(*pairs, net_deriv, in_deriv, nlist, force, problem, workspace,           \
                       workspace_bytes, &queue);                                                \
  }                                                                                             \
  void deepattn_cuda_force_grad_##suffix(                                                       \
      const deepattn_pairs* pairs, const T* grad, const T* in_deriv, const int32_t* nlist,      \
      T* grad_net, deepattn_cuda_problem* problem, void* stream, deepattn_status* status) {     \
    deepattn::Queue queue(stream, status);                                                      \
    deepattn::ForceGrad<T>(*pairs, grad, in_deriv, nlist, grad_net, problem, &queue);           \
  }

DEEPATTN_DEFINE_CUDA_FORCE(float, f32)
DEEPATTN_DEFINE_CUDA_FORCE(double, f64)
