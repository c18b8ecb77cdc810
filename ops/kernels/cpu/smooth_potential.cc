#include "smooth_potential.h"

#include <algorithm>
#include <vector>

#include "instruction_set.h"
#include "parallel.h"
#include "smooth_potential/kernels.h"
#include "smooth_potential_passes.h"

namespace deepattn {
namespace {

constexpr const SmoothTable* kTables[kInstructionSets] = {
    &kSmoothGeneric,
#if defined(__x86_64__)
    &kSmoothAvx2,
    &kSmoothAvx512,
#endif
};

// Each part of a chunk has sums of gradients of its own; few parts where these are large.
constexpr int64_t kMostPartSums = int64_t{1} << 22;
// Of a gradient by a matrix that are computed together.
constexpr int64_t kMatrixRows = 64;

// D of the atoms of a group.
template <typename F, typename T>
void WriteDescriptors(const Passes<F, T>& passes, const SmoothGroup<T>& group, T* out) {
  const int64_t size = group.width * group.axis;
  const ScratchArray<T> rows(group.natoms * size + passes.kernels().lanes);
  passes.kernels().descriptors(&group, rows.get());
  const int64_t* atoms = passes.AtomsOf(group);
  for (int64_t a = 0; a < group.natoms; ++a) {
    std::copy_n(rows.get() + a * size, size, out + atoms[a] * size);
  }
}

template <typename F, typename T>
void Evaluate(const SmoothPotentialCall<F, T>& call, const SmoothPotentialResult<F, T>& result,
              const deepattn_threads& threads, deepattn_status* status) {
  FirstError error(status);
  const bool energies = result.atom_energy != nullptr;
  const int64_t natoms = call.nframes * call.nloc;
  if (energies) {
    std::fill_n(result.atom_energy, natoms, F(0));
    std::fill_n(result.derivative, natoms * call.nnei * kRowWidth, F(0));
  }
  const int64_t size = call.embedding.width[call.embedding.nlayers - 1] * call.axis;
  for (int64_t unit = 0; result.descriptor != nullptr && unit < natoms; ++unit) {
    if (call.atype[unit] < 0) std::fill_n(result.descriptor + unit * size, size, T(0));
  }
  Passes<F, T> passes(call, CurrentKernels<T>(kTables), kChunkAtoms, false, threads, &error);
  passes.ForChunks([&] {
    passes.Describe(nullptr);
    passes.ForGroups([&](SmoothGroup<T> group, T* scratch) {
      if (result.descriptor != nullptr) WriteDescriptors(passes, group, result.descriptor);
      if (!energies) return;
      const int64_t* atoms = passes.AtomsOf(group);
      T energy[kGroupAtoms];
      group.energy = energy;
      passes.kernels().evaluate(&group, scratch);
      for (int64_t a = 0; a < group.natoms; ++a) {
        const F own = call.type_energy[call.atype[atoms[a]]];
        result.atom_energy[atoms[a]] = static_cast<F>(energy[a]) + own;
      }
    });
    if (!energies) return;
    passes.ForParts(1, [&](int64_t p, T*) {
      const std::vector<EmbeddedRow<T>>& rows = passes.rows(p).rows();
      const ScratchArray<T> gradients(kRowWidth * rows.size());
      const SmoothPart<T> part = passes.Part(p);
      passes.kernels().row_gradients(&part, gradients.get());
      for (size_t r = 0; r < rows.size(); ++r) {
        if (rows[r].slot < 0) continue;
        const T* from = gradients.get() + kRowWidth * r;
        std::copy_n(from, kRowWidth, result.derivative + kRowWidth * rows[r].slot);
      }
      return true;
    });
  });
}

// Gradients by the fitting nets and what is added to their first sums.
template <typename F, typename T>
class FittingSums {
 public:
  FittingSums(const SmoothPotentialCall<F, T>& call, const SmoothPotentialGradients<F, T>& out,
              Passes<F, T>* passes, FirstError* error)
      : call_(call), out_(out), passes_(*passes), error_(error), written_(call.nnets, false) {
    const int64_t first = call.nets[0].width[0];
    const auto clear = [](T* to, int64_t size) {
      if (to != nullptr) std::fill_n(to, size, T(0));
    };
    clear(out.type_offset, call.ntypes * first);
    clear(out.frame_offset, call.nframes * first);
    clear(out.atom_offset, call.nframes * call.nloc * first);
    for (int64_t n = 0; n < call.nnets; ++n) {
      const FittingNet<T>& net = call.nets[n];
      for (int64_t k = 0; k < net.nhidden; ++k) {
        clear(out.nets[n].bias[k], net.width[k]);
        clear(out.nets[n].step[k], net.width[k]);
      }
      clear(out.nets[n].last_matrix, net.width[net.nhidden - 1]);
      clear(out.nets[n].last_bias, 1);
    }
  }

  // The groups of the chunk, which have been differentiated.
  void Add() {
    struct Job {
      int64_t first, number, net, layer, begin, end;
    };
    std::vector<Job> jobs;
    const std::vector<SmoothGroup<T>>& groups = passes_.groups();
    int64_t scratch_size = 1;
    for (size_t first = 0, end; first < groups.size(); first = end) {
      const FittingNet<T>& net = *groups[first].net;
      for (end = first + 1; end < groups.size() && groups[end].net == &net;) ++end;
      for (int64_t k = 0; k < net.nhidden; ++k) {
        const int64_t in = k == 0 ? net.input : net.width[k - 1];
        for (int64_t i = 0; i < in; i += kMatrixRows) {
          jobs.push_back({static_cast<int64_t>(first), static_cast<int64_t>(end - first),
                          &net - call_.nets, k, i, std::min(i + kMatrixRows, in)});
        }
      }
      scratch_size =
          std::max(scratch_size, passes_.kernels().matrix_scratch_size(&net, kMatrixRows));
    }
    const int64_t cost = kMatrixRows * call_.nets[0].width[0] * kGroupAtoms / kPerNanosecond;
    ParallelFor(passes_.threads(), jobs.size(), cost, error_, [&] {
      return [&, scratch = ScratchArray<T>(scratch_size)](int64_t j) {
        const Job& job = jobs[j];
        passes_.kernels().matrix_gradient(&groups[job.first], job.number, job.layer, job.begin,
                                          job.end, written_[job.net], scratch.get(),
                                          out_.nets[job.net].matrix[job.layer]);
        return true;
      };
    });
    for (const SmoothGroup<T>& group : groups) {
      written_[group.net - call_.nets] = true;
      AddVectors(group);
    }
  }

  // Clears the gradients by nets that no atom has.
  void Finish() const {
    for (int64_t n = 0; n < call_.nnets; ++n) {
      const FittingNet<T>& net = call_.nets[n];
      for (int64_t k = 0; k < net.nhidden && !written_[n]; ++k) {
        const int64_t in = k == 0 ? net.input : net.width[k - 1];
        std::fill_n(out_.nets[n].matrix[k], in * net.width[k], T(0));
      }
    }
  }

 private:
  void AddVectors(const SmoothGroup<T>& group) const {
    const int64_t width = group.net->width[0];
    const int64_t* atoms = passes_.AtomsOf(group);
    T* offset[3 * kGroupAtoms];
    for (int64_t a = 0; a < group.natoms; ++a) {
      const int64_t unit = atoms[a];
      const auto row = [&](T* rows, int64_t i) {
        return rows == nullptr ? nullptr : rows + i * width;
      };
      offset[3 * a] = row(out_.type_offset, call_.atype[unit]);
      offset[3 * a + 1] = row(out_.frame_offset, unit / call_.nloc);
      offset[3 * a + 2] = row(out_.atom_offset, unit);
    }
    passes_.kernels().vector_gradients(&group, &out_.nets[group.net - call_.nets], offset);
  }

  const SmoothPotentialCall<F, T>& call_;
  const SmoothPotentialGradients<F, T>& out_;
  Passes<F, T>& passes_;
  FirstError* const error_;
  std::vector<char> written_;
};

template <typename F, typename T>
void Differentiate(const SmoothPotentialCall<F, T>& call, const SmoothPotentialGradients<F, T>& out,
                   const deepattn_threads& threads, deepattn_status* status) {
  FirstError error(status);
  const EmbeddingNets<T>& nets = call.embedding;
  const SmoothKernels<T>& kernels = CurrentKernels<T>(kTables);
  const int64_t sums_size = kernels.sums_size(&nets);
  const int64_t most_parts = std::clamp<int64_t>(kMostPartSums / sums_size, 2, kChunkAtoms);
  Passes<F, T> passes(call, kernels, most_parts, true, threads, &error);
  if (!error.ok()) return;
  FittingSums<F, T> fitting(call, out, &passes, &error);
  const int64_t nparts = std::min(most_parts, kChunkAtoms / kPartAtoms);
  const int64_t used =
      std::clamp<int64_t>((call.nframes * call.nloc + kPartAtoms - 1) / kPartAtoms, 0, nparts);
  const ScratchArray<T> sums(used * sums_size);
  std::vector<char> touched(used * nets.nnets, 0);
  for (int64_t p = 0; p < used; ++p) {
    std::fill_n(sums.get() + p * sums_size, kernels.table_sums_size(&nets), T(0));
  }
  std::fill_n(out.type_energy, call.ntypes, F(0));
  passes.ForChunks([&] {
    passes.Describe(out.grad_derivative);
    std::vector<SmoothGroup<T>>& groups = passes.groups();
    const int64_t memory_size = kernels.group_memory_size(groups[0].net);
    const ScratchArray<T> memory(groups.size() * memory_size);
    std::vector<T> grad_energy(groups.size() * kGroupAtoms);
    for (size_t g = 0; g < groups.size(); ++g) {
      groups[g].memory = memory.get() + g * memory_size;
      groups[g].grad_energy = &grad_energy[g * kGroupAtoms];
      const int64_t* atoms = passes.AtomsOf(groups[g]);
      for (int64_t a = 0; a < groups[g].natoms; ++a) {
        grad_energy[g * kGroupAtoms + a] = static_cast<T>(out.grad_energy[atoms[a]]);
        out.type_energy[call.atype[atoms[a]]] += out.grad_energy[atoms[a]];
      }
    }
    passes.ForGroups(
        [&](const SmoothGroup<T>& group, T* scratch) { kernels.differentiate(&group, scratch); });
    if (!error.ok()) return;
    fitting.Add();
    passes.ForParts(6, [&](int64_t p, T* scratch) {
      const SmoothPart<T> part = passes.Part(p);
      kernels.embedding_gradients(&part, scratch, sums.get() + p * sums_size,
                                  &touched[p * nets.nnets]);
      return true;
    });
  });
  if (!error.ok()) return;
  fitting.Finish();
  std::vector<const T*> of_parts;
  for (int64_t p = 0; p < used; ++p) of_parts.push_back(sums.get() + p * sums_size);
  kernels.write_table_sums(&nets, of_parts.data(), used, &out.embedding);
  for (int64_t net = 0; net < nets.nnets; ++net) {
    of_parts.clear();
    for (int64_t p = 0; p < used; ++p) {
      if (touched[p * nets.nnets + net]) of_parts.push_back(sums.get() + p * sums_size);
    }
    kernels.write_net_sums(&nets, net, of_parts.data(), of_parts.size(), &out.embedding);
  }
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_SMOOTH_POTENTIAL(F, T, suffix)                                            \
  void deepattn_smooth_potential_##suffix(const deepattn::SmoothPotentialCall<F, T>* call,        \
                                          const deepattn::SmoothPotentialResult<F, T>* result,    \
                                          const deepattn_threads* threads,                        \
                                          deepattn_status* status) {                              \
    deepattn::Guard(status, [&] { deepattn::Evaluate(*call, *result, *threads, status); });       \
  }                                                                                               \
  void deepattn_smooth_potential_grad_##suffix(                                                   \
      const deepattn::SmoothPotentialCall<F, T>* call,                                            \
      const deepattn::SmoothPotentialGradients<F, T>* gradients, const deepattn_threads* threads, \
      deepattn_status* status) {                                                                  \
    deepattn::Guard(status,                                                                       \
                    [&] { deepattn::Differentiate(*call, *gradients, *threads, status); });       \
  }

DEEPATTN_DEFINE_SMOOTH_POTENTIAL(float, float, f32)
DEEPATTN_DEFINE_SMOOTH_POTENTIAL(double, double, f64)
DEEPATTN_DEFINE_SMOOTH_POTENTIAL(double, float, mixed)
