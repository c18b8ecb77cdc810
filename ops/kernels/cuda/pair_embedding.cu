#include "pair_embedding.h"
#include "pair_embedding/passes.h"
#include "persistent.h"

namespace deepattn {
namespace {

template <int pass>
struct EmbeddingUnit {
  template <typename Call>
  DEEPATTN_DEVICE void operator()(const Block& block, const EmbeddingArguments<Call>& of,
                                  int64_t unit) const {
    const RowBlock<Call> at(block, of, unit);
    if constexpr (pass == kForward) EmbeddingForward(at);
    if constexpr (pass == kBackward) EmbeddingBackward(at);
    if constexpr (pass == kDoubleBackward) EmbeddingDoubleBackward(at);
  }
};

int64_t NumberOfUnits(const deepattn_pair_embedding_shape& shape) {
  return (shape.nrows + kRowsAtOnce - 1) / kRowsAtOnce;
}

template <typename T>
BlocksMemory<T> TakeWorkspace(const deepattn_pair_embedding_shape& shape, int pass, bool with_sums,
                              Memory* memory) {
  return BlocksMemory<T>(PersistentBlocks(NumberOfUnits(shape)),
                         EmbeddingLayout(shape, pass).block_size,
                         with_sums ? EmbeddingSums(shape).size : 0, memory);
}

template <typename Call>
void WriteSums(const EmbeddingArguments<Call>& of, int64_t blocks, Queue* queue) {
  using T = typename EmbeddingArguments<Call>::T;
  const deepattn_pair_embedding_shape& shape = of.call.shape;
  const auto& out = *of.call.grad_parameters;
  AddSums<T, 3 * kMostLayers + 1> add = {{}, 0, of.places.size, blocks, of.sums};
  for (int64_t k = 0; k < shape.nlayers; ++k) {
    const int64_t width = shape.width[k + 1];
    add.part[add.parts++] = {out.matrix[k], of.places.matrix[k], shape.width[k] * width};
    add.part[add.parts++] = {out.bias[k], of.places.bias[k], width};
    if (out.step[k] != nullptr) add.part[add.parts++] = {out.step[k], of.places.step[k], width};
  }
  if (shape.nfactors > 0) {
    add.part[add.parts++] = {out.factors, of.places.factors,
                             shape.nfactors * shape.width[shape.nlayers]};
  }
  queue->Each(of.places.size, add);
}

template <typename Call>
void RunEmbedding(const Call& call, int pass, deepattn_cuda_problem* problem, void* workspace,
                  int64_t workspace_bytes, void* stream, deepattn_status* status) {
  using Arguments = EmbeddingArguments<Call>;
  using T = typename Arguments::T;
  const deepattn_pair_embedding_shape& shape = call.shape;
  Queue queue(stream, status);
  if (shape.noffsets > 0) {
    queue.Fail(DEEPATTN_INVALID_ARGUMENT, "offsets are not possible on a GPU");
  }
  for (int64_t k = 0; k <= shape.nlayers; ++k) {
    if (shape.width[k] > kMostColumns) {
      queue.Fail(DEEPATTN_INVALID_ARGUMENT, "a layer is %lld wide, but at most %lld are possible",
                 static_cast<long long>(shape.width[k]), static_cast<long long>(kMostColumns));
    }
  }
  Memory memory(workspace);
  const auto taken = TakeWorkspace<T>(shape, pass, call.grad_parameters != nullptr, &memory);
  if (!queue.Fits(memory, workspace_bytes)) return;
  const Arguments of = {
      call, EmbeddingLayout(shape, pass), EmbeddingSums(shape), problem, taken.memory, taken.sums};
  queue.Clear(problem, 0xff, sizeof(*problem));
  const auto run = [&](auto unit) {
    using Kernel = PersistentKernel<Arguments, decltype(unit)>;
    queue.Launch(taken.blocks, sizeof(GemmMemory<T>),
                 Kernel{of, NumberOfUnits(shape), taken.blocks});
  };
  if (pass == kForward) run(EmbeddingUnit<kForward>());
  if (pass == kBackward) run(EmbeddingUnit<kBackward>());
  if (pass == kDoubleBackward) run(EmbeddingUnit<kDoubleBackward>());
  if (call.grad_parameters != nullptr) WriteSums(of, taken.blocks, &queue);
}

template <typename T>
int64_t WorkspaceBytes(const deepattn_pair_embedding_shape& shape, int pass, bool with_sums) {
  Memory memory(nullptr);
  TakeWorkspace<T>(shape, pass, with_sums, &memory);
  return memory.used();
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_CUDA_PAIR_EMBEDDING(T, suffix)                                        \
  int64_t deepattn_cuda_pair_embedding_workspace_##suffix(                                    \
      const deepattn_pair_embedding_shape* shape, int pass, int with_sums) {                  \
    return deepattn::WorkspaceBytes<T>(*shape, pass, with_sums != 0);                         \
  }                                                                                           \
  void deepattn_cuda_pair_embedding_##suffix(                                                 \
      const deepattn::EmbeddingCall<T>* call, int pass, deepattn_cuda_problem* problem,       \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status) {      \
    deepattn::RunEmbedding(*call, pass, problem, workspace, workspace_bytes, stream, status); \
  }

DEEPATTN_DEFINE_CUDA_PAIR_EMBEDDING(float, f32)
DEEPATTN_DEFINE_CUDA_PAIR_EMBEDDING(double, f64)
