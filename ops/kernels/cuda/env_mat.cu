#include <numeric>

#include "env_mat.h"
#include "env_mat_rows.h"

namespace deepattn {
namespace {

// Memory of a block goes to the workspace if it is larger, and there is room for so many blocks.
constexpr int64_t kMostShared = 48 << 10;
constexpr int64_t kRoomBlocks = 2048;

// The pieces of the workspace.
template <typename T>
struct EnvMatWorkspace {
  int32_t* broken;
  int32_t* row_of;
  int64_t* first_slot;
  DeviceGrid<T> grid;
  int64_t shared_bytes;
  int64_t room_bytes = 0;  // of each block; 0: it is in the shared memory
  int64_t blocks;
  char* room = nullptr;

  EnvMatWorkspace(const deepattn_env_mat_shape& shape, int kind, Memory* memory)
      : broken(memory->Take<int32_t>(shape.nframes)),
        row_of(memory->Take<int32_t>(kind == DEEPATTN_LISTED ? shape.nloc : 0)),
        first_slot(memory->Take<int64_t>(shape.sel == nullptr ? 0 : shape.ntypes + 1)),
        grid(kind == DEEPATTN_LISTED ? deepattn_env_mat_shape{} : shape, memory),
        blocks(shape.nframes * shape.nloc) {
    Memory shared(nullptr);
    const EnvMatStage<T> stage(&shared);
    Memory own(nullptr);
    const EnvMatMemory<T> atom(&own, shape.nnei);
    shared_bytes = shared.used() + own.used();
    if (shared_bytes <= kMostShared) return;
    shared_bytes = shared.used();
    room_bytes = own.used();
    blocks = std::min(blocks, kRoomBlocks);
    room = memory->Take<char>(blocks * room_bytes);
  }
};

// Of each center the row of the list.
struct InvertList {
  deepattn_cuda_neighbors source;
  int64_t nloc;
  int32_t* row_of;
  deepattn_cuda_problem* problem;

  DEEPATTN_DEVICE void operator()(int64_t row) const {
    const int32_t center = source.ilist[row];
    if (center < 0 || center >= nloc) {
      Report(problem, 0, row, kListedTwice);
    } else if (source.numneigh[row] < 0) {
      Report(problem, 0, center, kNegativeCount);
    } else {
      row_of[center] = static_cast<int32_t>(row);
    }
  }
};

// A center that is not where the list has it shares its row with another.
struct CheckList {
  deepattn_cuda_neighbors source;
  int64_t nloc;
  const int32_t* row_of;
  deepattn_cuda_problem* problem;

  DEEPATTN_DEVICE void operator()(int64_t row) const {
    const int32_t center = source.ilist[row];
    if (center < 0 || center >= nloc || source.numneigh[row] < 0) return;
    if (row_of[center] != row) Report(problem, 0, center, kListedTwice);
  }
};

template <typename T, bool grouped>
void StartRows(const EnvMatCall<T>& call, const EnvMatWorkspace<T>& work, Queue* queue) {
  const auto start = [&](auto rows) { queue->Launch(work.blocks, work.shared_bytes, rows); };
  if (work.room_bytes == 0) {
    start(EnvMatRows<T, grouped, true>{call, work.grid, nullptr, 0, work.blocks});
  } else {
    start(EnvMatRows<T, grouped, false>{call, work.grid, work.room, work.room_bytes, work.blocks});
  }
}

template <typename T>
void EnvMat(EnvMatCall<T> call, const T* box, void* memory, int64_t memory_bytes, Queue* queue) {
  const deepattn_env_mat_shape shape = call.shape;
  Memory arena(memory);
  EnvMatWorkspace<T> work(shape, call.source.kind, &arena);
  if (!queue->Fits(arena, memory_bytes)) return;
  queue->Clear(call.problem, 0xff, sizeof(*call.problem));
  queue->Clear(work.broken, 0, shape.nframes * sizeof(*work.broken));
  queue->Each(shape.nframes * shape.nall, CheckAtoms<T>{shape.nall, shape.ntypes, call.coord,
                                                        call.atype, call.problem, work.broken});
  if (shape.sel != nullptr) {
    std::vector<int64_t> first(shape.ntypes + 1, 0);
    std::partial_sum(shape.sel, shape.sel + shape.ntypes, first.begin() + 1, std::plus<int64_t>());
    queue->Upload(work.first_slot, first.data(), shape.ntypes + 1);
  }
  if (call.source.kind == DEEPATTN_LISTED) {
    queue->Clear(work.row_of, 0xff, shape.nloc * sizeof(*work.row_of));
    queue->Each(shape.nloc, InvertList{call.source, shape.nloc, work.row_of, call.problem});
    queue->Each(shape.nloc, CheckList{call.source, shape.nloc, work.row_of, call.problem});
  } else {
    BuildGrid(queue, work.grid, shape, call.coord, call.atype,
              call.source.kind == DEEPATTN_PERIODIC ? box : nullptr, call.problem, work.broken);
  }
  call.broken = work.broken;
  call.row_of = work.row_of;
  call.first_slot = work.first_slot;
  call.shape.sel = nullptr;
  if (shape.sel == nullptr) {
    StartRows<T, false>(call, work, queue);
  } else {
    StartRows<T, true>(call, work, queue);
  }
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_CUDA_ENV_MAT(T, suffix)                                                   \
  int64_t deepattn_cuda_env_mat_workspace_##suffix(const deepattn_env_mat_shape* shape,           \
                                                   int kind) {                                    \
    deepattn::Memory memory(nullptr);                                                             \
    const deepattn::EnvMatWorkspace<T> work(*shape, kind, &memory);                               \
    return memory.used();                                                                         \
  }                                                                                               \
  void deepattn_cuda_env_mat_##suffix(                                                            \
      const deepattn_env_mat_shape* shape, const deepattn_cuda_neighbors* source, const T* coord, \
      const int32_t* atype, const T* box, const T* davg, const T* dstd, T* descrpt, T* deriv,     \
      T* rij, int32_t* nlist, int32_t* ntype, uint8_t* nmask, deepattn_cuda_problem* problem,     \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status) {          \
    deepattn::Queue queue(stream, status);                                                        \
    deepattn::EnvMat<T>({*shape, *source, coord, atype, davg, dstd, descrpt, deriv, rij, nlist,   \
                         ntype, nmask, problem, nullptr, nullptr, nullptr},                       \
                        box, workspace, workspace_bytes, &queue);                                 \
  }

DEEPATTN_DEFINE_CUDA_ENV_MAT(float, f32)
DEEPATTN_DEFINE_CUDA_ENV_MAT(double, f64)
