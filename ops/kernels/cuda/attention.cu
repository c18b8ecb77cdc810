#include "attention.h"
#include "attention/passes.h"
#include "launch.h"

namespace deepattn {
namespace {

// Blocks that a multiprocessor has at once.
constexpr int64_t kBlocksAtOnce = 2;
constexpr int64_t kMostInRow = 1 << 20;

template <typename Call, int pass>
struct AttentionKernel {
  static constexpr int kThreads = kGemmThreads;

  AttentionArguments<Call> of;
  int64_t blocks;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    if (of.sums != nullptr) {
      auto* sums = of.sums + block.index() * of.places.size;
      block.Each(of.places.size, [&](int64_t i) { sums[i] = 0; });
    }
    for (int64_t atom = block.index(); atom < of.call.shape.natoms; atom += blocks) {
      const Neighbourhood<Call> at(block, of, atom);
      if constexpr (pass == DEEPATTN_ATTENTION_FORWARD) ForwardPass(at);
      if constexpr (pass == DEEPATTN_ATTENTION_GRADIENT) GradientPass(at);
      if constexpr (pass == DEEPATTN_ATTENTION_TANGENT) TangentPass(at);
      if constexpr (pass == DEEPATTN_ATTENTION_REVERSE) ReversePass(at);
    }
  }
};

// Each does several neighbourhoods, one after the other, in the same memory.
int64_t NumberOfBlocks(const deepattn_attention_shape& shape) {
  return std::min(shape.natoms, std::max<int64_t>(Multiprocessors(), 1) * kBlocksAtOnce);
}

template <typename T>
AttentionLayout LayoutOf(const deepattn_attention_shape& shape, int pass) {
  return AttentionLayout(shape, pass, kKeepsAll<T>);
}

// The memory of the blocks and their sums, if they are wanted.
template <typename T>
void TakeWorkspace(const deepattn_attention_shape& shape, int pass, bool with_sums, Memory* memory,
                   T** scratch, T** sums) {
  const int64_t blocks = NumberOfBlocks(shape);
  *scratch = memory->Take<T>(blocks * LayoutOf<T>(shape, pass).block_size);
  *sums = with_sums ? memory->Take<T>(blocks * AttentionSums(shape).size) : nullptr;
}

template <typename T>
int64_t WorkspaceBytes(const deepattn_attention_shape& shape, int pass, bool with_sums) {
  Memory memory(nullptr);
  T *scratch, *sums;
  TakeWorkspace(shape, pass, with_sums, &memory, &scratch, &sums);
  return memory.used();
}

template <typename Call>
void Launch(const AttentionArguments<Call>& of, int pass, Queue* queue) {
  using T = typename AttentionArguments<Call>::T;
  const int64_t blocks = NumberOfBlocks(of.call.shape);
  const auto run = [&](const auto& kernel) {
    queue->Launch(blocks, sizeof(GemmMemory<T>), kernel);
  };
  switch (pass) {
    case DEEPATTN_ATTENTION_FORWARD:
      return run(AttentionKernel<Call, DEEPATTN_ATTENTION_FORWARD>{of, blocks});
    case DEEPATTN_ATTENTION_GRADIENT:
      return run(AttentionKernel<Call, DEEPATTN_ATTENTION_GRADIENT>{of, blocks});
    case DEEPATTN_ATTENTION_TANGENT:
      return run(AttentionKernel<Call, DEEPATTN_ATTENTION_TANGENT>{of, blocks});
    default:
      return run(AttentionKernel<Call, DEEPATTN_ATTENTION_REVERSE>{of, blocks});
  }
}

template <typename Call>
void WriteSums(const AttentionArguments<Call>& of, Queue* queue) {
  using T = typename AttentionArguments<Call>::T;
  const auto& out = *of.call.sums;
  const auto& at = of.places;
  const int64_t width = of.call.shape.width, attn = of.call.shape.attn;
  const AddSums<T, 10> add = {{{out.query_matrix, at.project[kQuery].begin, width * attn},
                               {out.query_bias, at.project_bias[kQuery].begin, attn},
                               {out.key_matrix, at.project[kKey].begin, width * attn},
                               {out.key_bias, at.project_bias[kKey].begin, attn},
                               {out.value_matrix, at.project[kValue].begin, width * attn},
                               {out.value_bias, at.project_bias[kValue].begin, attn},
                               {out.out_matrix, at.out.begin, attn * width},
                               {out.out_bias, at.out_bias.begin, width},
                               {out.gamma, at.gamma.begin, width},
                               {out.beta, at.beta.begin, width}},
                              10,
                              at.size,
                              NumberOfBlocks(of.call.shape),
                              of.sums};
  queue->Each(at.size, add);
}

template <typename Call>
void RunAttention(const Call& call, int pass, void* workspace, int64_t workspace_bytes,
                  void* stream, deepattn_status* status) {
  using T = decltype(Call::padding);
  const deepattn_attention_shape& shape = call.shape;
  Queue queue(stream, status);
  if (!(call.padding >= 0)) {
    queue.Fail(DEEPATTN_INVALID_ARGUMENT, "padding is %g, but must not be negative",
               static_cast<double>(call.padding));
  }
  if (std::max({shape.nnei, shape.width, shape.attn}) > kMostInRow) {
    queue.Fail(DEEPATTN_INVALID_ARGUMENT,
               "there are %lld slots an atom, %lld columns of the embedding and %lld of the "
               "attention, but at most %lld of each are possible",
               static_cast<long long>(shape.nnei), static_cast<long long>(shape.width),
               static_cast<long long>(shape.attn), static_cast<long long>(kMostInRow));
  }
  AttentionArguments<Call> of = {call, LayoutOf<T>(shape, pass), AttentionSums(shape), nullptr,
                                 nullptr};
  Memory memory(workspace);
  TakeWorkspace(shape, pass, call.sums != nullptr, &memory, &of.memory, &of.sums);
  if (!queue.Fits(memory, workspace_bytes)) return;
  Launch(of, pass, &queue);
  if (call.sums != nullptr) WriteSums(of, &queue);
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_CUDA_ATTENTION(T, suffix)                                                \
  int64_t deepattn_cuda_attention_kept_##suffix(const deepattn_attention_shape* shape) {         \
    return shape->natoms * deepattn::LayoutOf<T>(*shape, DEEPATTN_ATTENTION_FORWARD).kept_size;  \
  }                                                                                              \
  int64_t deepattn_cuda_attention_state_##suffix(const deepattn_attention_shape* shape) {        \
    return shape->natoms * deepattn::LayoutOf<T>(*shape, DEEPATTN_ATTENTION_TANGENT).state_size; \
  }                                                                                              \
  int64_t deepattn_cuda_attention_workspace_##suffix(const deepattn_attention_shape* shape,      \
                                                     int pass, int with_sums) {                  \
    return deepattn::WorkspaceBytes<T>(*shape, pass, with_sums != 0);                            \
  }                                                                                              \
  void deepattn_cuda_attention_##suffix(const deepattn_attention_call_##suffix* call, int pass,  \
                                        void* workspace, int64_t workspace_bytes, void* stream,  \
                                        deepattn_status* status) {                               \
    deepattn::RunAttention(*call, pass, workspace, workspace_bytes, stream, status);             \
  }

DEEPATTN_DEFINE_CUDA_ATTENTION(float, f32)
DEEPATTN_DEFINE_CUDA_ATTENTION(double, f64)
