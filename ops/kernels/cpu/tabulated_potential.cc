#include "tabulated_potential.h"

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "check_range.h"
#include "instruction_set.h"
#include "parallel.h"
#include "scratch.h"
#include "tabulated_potential_blocks.h"

namespace deepattn {

namespace {

template <typename T>
PackedFittingNet* PackNet(const FittingNet<T>& net, int64_t axis, deepattn_status* status) {
  PackedFittingNet* result = nullptr;
  Guard(status, [&] {
    const PotentialKernels<T>& kernels = CurrentKernels<T>(kPotentialTables);
    std::unique_ptr<PackedFittingNet> packed(
        new PackedFittingNet{CurrentInstructionSet(),
                             {},
                             {},
                             ScratchBlock(kernels.packed_size(&net, axis) * sizeof(T))});
    const_cast<FittingNet<T>&>(NetOf<T>(*packed)) = net;
    kernels.pack(&net, axis, static_cast<T*>(packed->packed.data()));
    result = packed.release();
  });
  return result;
}

// A basis as the kernels want it, if distances are wanted.
template <typename F, typename T>
class PackedDistanceBasis {
 public:
  explicit PackedDistanceBasis(const TabulatedPotentialCall<F, T>& call)
      : basis_(call.distance_basis) {
    if (call.distance == nullptr) return;
    const PotentialKernels<T>& kernels =
        KernelsFor<T>(call.nets[0]->instruction_set, kPotentialTables);
    const int64_t input = NetOf<T>(*call.nets[0]).input;
    const int64_t size = kernels.packed_basis_size(input, call.axis, basis_.ncomponents);
    packed_ = std::make_unique<ScratchArray<T>>(size);
    kernels.pack_basis(&call.distance_basis, input, call.axis, packed_->get());
    basis_.basis = packed_->get();
  }

  const DistanceBasis<T>* get() const { return packed_ == nullptr ? nullptr : &basis_; }

 private:
  DistanceBasis<T> basis_;
  std::unique_ptr<ScratchArray<T>> packed_;
};

template <typename F, typename T>
void Potential(const TabulatedPotentialCall<F, T>& call, const deepattn_threads& threads,
               deepattn_status* status) {
  const deepattn_env_mat_shape& shape = call.atoms;
  FirstError error(status);
  if (!CheckRange(call.range, call.table_shape.nrows, &error)) return;
  NeighborSearch<F> search(shape, call.source, {call.coord, call.atype, call.box});
  search.Prepare(threads, &error);
  if (!error.ok() || shape.nframes == 0) return;
  const PackedDistanceBasis<F, T> distance_basis(call);
  const int64_t parts = CountPotentialParts(shape.nloc);
  const int64_t size = kSumsWidth * shape.nall;
  const ScratchArray<double> sums(shape.nframes * parts * size);
  const int64_t cost = 50000 * shape.nloc / parts + size;
  ParallelFor(threads, shape.nframes * parts, cost, &error, [&] {
    auto worker = std::make_unique<BlockWorker<F, T>>(call, distance_basis.get(), search, &error);
    return [&, worker = std::move(worker)](int64_t job) {
      const int64_t frame = job / parts, part = job % parts;
      double* own = sums.get() + job * size;
      std::fill_n(own, size, 0.0);
      return worker->Run(frame, shape.nloc * part / parts, shape.nloc * (part + 1) / parts, own);
    };
  });
  if (!error.ok()) return;
  ParallelFor(threads, shape.nframes * shape.nall, 4 * parts, &error, [&] {
    return [&](int64_t atom) {
      // In the place of the first part.
      double* sum = sums.get() + atom / shape.nall * parts * size + atom % shape.nall * kSumsWidth;
      for (int64_t part = 1; part < parts; ++part) {
        for (int64_t k = 0; k < kSumsWidth; ++k) sum[k] += sum[part * size + k];
      }
      for (int64_t k = 0; k < 3; ++k) {
        call.force[3 * atom + k] = static_cast<F>(sum[4 * k]);
        for (int64_t l = 0; l < 3; ++l) {
          call.atom_virial[9 * atom + 3 * k + l] = static_cast<F>(sum[4 * k + 1 + l]);
        }
      }
      return true;
    };
  });
  for (int64_t frame = 0; frame < shape.nframes; ++frame) {
    double total[kSumsWidth] = {};
    for (int64_t own = 0; own < shape.nall; ++own) {
      const double* from = sums.get() + frame * parts * size + kSumsWidth * own;
      for (int64_t k = 0; k < kSumsWidth; ++k) total[k] += from[k];
    }
    for (int64_t k = 0; k < 3; ++k) {
      for (int64_t l = 0; l < 3; ++l) {
        call.virial[9 * frame + 3 * k + l] = static_cast<F>(total[4 * k + 1 + l]);
      }
    }
  }
}

}  // namespace
}  // namespace deepattn

deepattn::PackedFittingNet* deepattn_pack_fitting_net_f32(const deepattn::FittingNet<float>* net,
                                                          int64_t axis, deepattn_status* status) {
  return deepattn::PackNet(*net, axis, status);
}

deepattn::PackedFittingNet* deepattn_pack_fitting_net_f64(const deepattn::FittingNet<double>* net,
                                                          int64_t axis, deepattn_status* status) {
  return deepattn::PackNet(*net, axis, status);
}

void deepattn_free_fitting_net(deepattn::PackedFittingNet* net) { delete net; }

int deepattn_is_fitting_net_current(const deepattn::PackedFittingNet* net) {
  return net->instruction_set == deepattn::CurrentInstructionSet();
}

#define DEEPATTN_DEFINE_POTENTIAL(F, T, suffix)                                                  \
  void deepattn_tabulated_potential_##suffix(const deepattn::TabulatedPotentialCall<F, T>* call, \
                                             const deepattn_threads* threads,                    \
                                             deepattn_status* status) {                          \
    deepattn::Guard(status, [&] { deepattn::Potential(*call, *threads, status); });              \
  }

DEEPATTN_DEFINE_POTENTIAL(float, float, f32)
DEEPATTN_DEFINE_POTENTIAL(double, double, f64)
DEEPATTN_DEFINE_POTENTIAL(double, float, mixed)
