#include <type_traits>
#include <vector>

#include "persistent.h"
#include "tabulated_potential.h"
#include "tabulated_potential/derive.h"
#include "tabulated_potential/describe.h"
#include "tabulated_potential/fit.h"
#include "virial_sums.h"

namespace deepattn {
namespace {

// Of the environment matrix only neighbors and vectors are taken.
template <typename F, typename T>
int64_t SearchBytes(const CudaPotentialCall<F, T>& call) {
  constexpr bool f32 = std::is_same_v<F, float>;
  const auto bytes =
      f32 ? deepattn_cuda_env_mat_workspace_f32 : deepattn_cuda_env_mat_workspace_f64;
  return bytes(&call.atoms, call.source.kind);
}

template <typename F, typename T>
void Search(const CudaPotentialCall<F, T>& call, F* rij, int32_t* nlist,
            deepattn_cuda_problem* problem, char* memory, int64_t bytes, void* stream,
            deepattn_status* status) {
  const auto search = [&](auto env_mat) {
    env_mat(&call.atoms, &call.source, call.coord, call.atype, call.box, nullptr, nullptr, nullptr,
            nullptr, rij, nlist, nullptr, nullptr, problem, memory, bytes, stream, status);
  };
  if constexpr (std::is_same_v<F, float>) {
    search(deepattn_cuda_env_mat_f32);
  } else {
    search(deepattn_cuda_env_mat_f64);
  }
}

// Centers of a tile: many share the weights, few keep more blocks busy.
constexpr int kManyRows = kGemmDown * kGemmSpan, kFewRows = kGemmSpan;

// Centers that are evaluated at once, of so many.
inline int64_t CentersAtOnce(int64_t centers) {
  return std::min(centers, MostPersistentBlocks() * kManyRows);
}

inline int RowsOfTile(int64_t centers) {
  return centers < MostPersistentBlocks() * kManyRows ? kFewRows : kManyRows;
}

// Pieces of the workspace: those in the arguments of the steps, and the others.
template <typename F, typename T>
struct PotentialWorkspace {
  const int64_t centers;  // of all frames
  const FittingLayout layout;
  const int64_t blocks;  // of FitEnergies
  const int64_t search_bytes;
  PotentialArguments<F, T> of = {};  // for all centers that are evaluated at once
  char* search;
  T* fitting;
  int64_t* scan_sums;
  double* virial_sums;

  PotentialWorkspace(const CudaPotentialCall<F, T>& call, Memory* memory)
      : centers(call.atoms.nframes * call.atoms.nloc),
        layout(call.nets, call.nnets,
               call.distance == nullptr ? 0 : call.distance_basis.ncomponents, RowsOfTile(centers)),
        // Of every net a tile may not be full.
        blocks(PersistentBlocks(CentersAtOnce(centers) / layout.rows + call.nnets)),
        search_bytes(SearchBytes(call)) {
    const deepattn_env_mat_shape& atoms = call.atoms;
    const int64_t width = call.table_shape.width, input = width * call.axis;
    of.call = call;
    of.pairs = {atoms.nframes, atoms.nloc, atoms.nall, atoms.nnei};
    of.nlist = memory->Take<int32_t>(centers * atoms.nnei);
    of.rij = memory->Take<F>(3 * centers * atoms.nnei);
    of.lists = PairLists<F>(of.pairs, memory);
    of.own = memory->Take<double>(3 * centers);
    of.grouped = atoms.sel != nullptr;
    of.nblocks = of.grouped ? atoms.ntypes : 1;
    of.first_slot = memory->Take<int64_t>(of.nblocks + 1);
    of.nets = memory->Take<FittingNet<T>>(call.nnets);
    of.centers = CentersAtOnce(centers);
    of.belongs = memory->Take<int32_t>(call.nnets * of.centers);
    of.places = memory->Take<int64_t>(call.nnets * of.centers + 1);
    of.center_at = memory->Take<int64_t>(of.centers);
    of.descriptor_size = static_cast<int>((input + kGemmQuad - 1) / kGemmQuad * kGemmQuad);
    of.descriptor = memory->Take<T>(of.centers * of.descriptor_size);
    of.contracted = memory->Take<T>(of.centers * kColumns * width);
    of.grad_contracted = memory->Take<T>(of.centers * kColumns * width);
    search = memory->Take<char>(search_bytes);
    fitting = memory->Take<T>(blocks * layout.block_size);
    scan_sums = memory->Take<int64_t>(2 * ScanBlocks(call.nnets * of.centers) + 1);
    virial_sums = memory->Take<double>(VirialSums(of.pairs));
  }
};

template <typename F, typename T>
void CheckSizes(const CudaPotentialCall<F, T>& call, Queue* queue) {
  CheckRange(call.range, call.table_shape.nrows, queue);
  if (call.atoms.nnei == 0) {
    queue->Fail(DEEPATTN_INVALID_ARGUMENT, "there must be slots for neighbors");
  }
  const auto check = [&](int64_t width) {
    if (width <= kMostColumns) return;
    queue->Fail(DEEPATTN_INVALID_ARGUMENT,
                "a descriptor or a layer is %lld wide, but at most %lld are possible",
                static_cast<long long>(width), static_cast<long long>(kMostColumns));
  };
  check(call.table_shape.width * call.axis);
  for (int64_t n = 0; n < call.nnets; ++n) {
    for (int64_t k = 0; k < call.nets[n].nhidden; ++k) check(call.nets[n].width[k]);
  }
}

template <typename F, typename T>
void UploadSizes(const CudaPotentialCall<F, T>& call, const PotentialArguments<F, T>& of,
                 Queue* queue) {
  std::vector<int64_t> first(of.nblocks + 1, 0);
  for (int64_t b = 0; b < of.nblocks; ++b) {
    first[b + 1] = first[b] + (of.grouped ? call.atoms.sel[b] : call.atoms.nnei);
  }
  queue->Upload(of.first_slot, first.data(), of.nblocks + 1);
  queue->Upload(of.nets, call.nets, call.nnets);
}

template <typename F, typename T>
void Evaluate(const PotentialArguments<F, T>& of, const PotentialWorkspace<F, T>& work,
              Queue* queue) {
  queue->Each(of.centers, SortCenters<F, T>{of});
  ExclusiveScan(queue, of.belongs, of.call.nnets * of.centers, of.places, work.scan_sums);
  queue->Launch(of.centers,
                DescribeCenters<F, T>::SharedBytes(of.nblocks, of.call.table_shape.width),
                DescribeCenters<F, T>{of});
  queue->Launch(work.blocks, sizeof(GemmMemory<T>),
                FitEnergies<F, T>{of, work.layout, work.fitting, work.blocks});
  queue->Launch(of.centers, DerivePairs<F, T>::SharedBytes(of.nblocks), DerivePairs<F, T>{of});
}

template <typename F, typename T>
void Potential(const CudaPotentialCall<F, T>& call, deepattn_cuda_problem* problem, void* workspace,
               int64_t bytes, void* stream, deepattn_status* status) {
  Queue queue(stream, status);
  CheckSizes(call, &queue);
  Memory memory(workspace);
  const PotentialWorkspace<F, T> work(call, &memory);
  if (!queue.Fits(memory, bytes)) return;
  PotentialArguments<F, T> of = work.of;
  std::copy_n(call.range, 5, of.range.at);
  std::copy_n(call.switch_range, 2, of.switch_range.at);
  Search(call, of.rij, of.nlist, problem, work.search, work.search_bytes, stream, status);
  UploadSizes(call, of, &queue);
  BeginLists(&queue, of.pairs, of.lists);
  for (; of.first < work.centers; of.first += work.of.centers) {
    of.centers = std::min(work.of.centers, work.centers - of.first);
    Evaluate(of, work, &queue);
  }
  FinishLists(&queue, of.pairs, of.nlist, of.lists);
  queue.Launch(of.pairs.nframes * of.pairs.nall, GatherForces<F, T>::Sums::SharedBytes(),
               GatherForces<F, T>{of});
  AddAtomVirials(&queue, of.pairs.nframes, of.pairs.nall, call.atom_virial, work.virial_sums,
                 call.virial);
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_CUDA_POTENTIAL(F, T, suffix)                                       \
  int64_t deepattn_cuda_tabulated_potential_workspace_##suffix(                            \
      const deepattn::CudaPotentialCall<F, T>* call) {                                     \
    deepattn::Memory memory(nullptr);                                                      \
    const deepattn::PotentialWorkspace<F, T> work(*call, &memory);                         \
    return memory.used();                                                                  \
  }                                                                                        \
  void deepattn_cuda_tabulated_potential_##suffix(                                         \
      const deepattn::CudaPotentialCall<F, T>* call, deepattn_cuda_problem* problem,       \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status) {   \
    deepattn::Potential<F, T>(*call, problem, workspace, workspace_bytes, stream, status); \
  }

DEEPATTN_DEFINE_CUDA_POTENTIAL(float, float, f32)
DEEPATTN_DEFINE_CUDA_POTENTIAL(double, double, f64)
DEEPATTN_DEFINE_CUDA_POTENTIAL(double, float, mixed)
