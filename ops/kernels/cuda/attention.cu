#include "attention.h"
#include "attention/passes.h"
#include "persistent.h"

namespace deepattn {
namespace {

template <int pass>
struct AttentionUnit {
  template <typename Call>
  DEEPATTN_DEVICE void operator()(const Block& block, const AttentionArguments<Call>& of,
                                  int64_t atom) const {
    if (!CheckCount(block, of, atom)) return;
    const Neighborhood<Call> at(block, of, atom);
    if constexpr (pass == kForward) ForwardPass(at);
    if constexpr (pass == kBackward) BackwardPass(at);
    if constexpr (pass == kTangent) TangentPass(at);
    if constexpr (pass == kReverse) ReversePass(at);
  }
};

template <typename T>
AttentionLayout LayoutOf(const deepattn_attention_shape& shape, int pass) {
  return AttentionLayout(shape, pass, kSavesAll<T>);
}

template <typename T>
BlocksMemory<T> TakeWorkspace(const deepattn_attention_shape& shape, int pass, bool with_sums,
                              Memory* memory) {
  return BlocksMemory<T>(PersistentBlocks(shape.natoms), LayoutOf<T>(shape, pass).block_size,
                         with_sums ? AttentionSums(shape).size : 0, memory);
}

template <typename T>
int64_t WorkspaceBytes(const deepattn_attention_shape& shape, int pass, bool with_sums) {
  Memory memory(nullptr);
  TakeWorkspace<T>(shape, pass, with_sums, &memory);
  return memory.used();
}

template <typename Call>
void WriteSums(const AttentionArguments<Call>& of, int64_t blocks, Queue* queue) {
  using T = typename AttentionArguments<Call>::T;
  const auto& out = *of.call.grad_parameters;
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
                              blocks,
                              of.sums};
  queue->Each(at.size, add);
}

template <typename Call>
void RunAttention(const Call& call, int pass, deepattn_cuda_problem* problem, void* workspace,
                  int64_t workspace_bytes, void* stream, deepattn_status* status) {
  using Arguments = AttentionArguments<Call>;
  using T = typename Arguments::T;
  const deepattn_attention_shape& shape = call.shape;
  Queue queue(stream, status);
  if (!(call.padding >= 0)) {
    queue.Fail(DEEPATTN_INVALID_ARGUMENT, "padding is %g, but must not be negative",
               static_cast<double>(call.padding));
  }
  if (std::max({shape.nnei, shape.width, shape.attn}) > kMostColumns) {
    queue.Fail(DEEPATTN_INVALID_ARGUMENT,
               "there are %lld slots an atom, %lld columns of the embedding and %lld of the "
               "attention, but at most %lld of each are possible",
               static_cast<long long>(shape.nnei), static_cast<long long>(shape.width),
               static_cast<long long>(shape.attn), static_cast<long long>(kMostColumns));
  }
  Memory memory(workspace);
  const auto taken = TakeWorkspace<T>(shape, pass, call.grad_parameters != nullptr, &memory);
  if (!queue.Fits(memory, workspace_bytes)) return;
  const Arguments of = {
      call, LayoutOf<T>(shape, pass), AttentionSums(shape), problem, taken.memory, taken.sums};
  queue.Clear(problem, 0xff, sizeof(*problem));
  const auto run = [&](auto unit) {
    using Kernel = PersistentKernel<Arguments, decltype(unit)>;
    queue.Launch(taken.blocks, sizeof(GemmMemory<T>), Kernel{of, shape.natoms, taken.blocks});
  };
  if (pass == kForward) run(AttentionUnit<kForward>());
  if (pass == kBackward) run(AttentionUnit<kBackward>());
  if (pass == kTangent) run(AttentionUnit<kTangent>());
  if (pass == kReverse) run(AttentionUnit<kReverse>());
  if (call.grad_parameters != nullptr) WriteSums(of, taken.blocks, &queue);
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_CUDA_ATTENTION(T, suffix)                                                  \
  int64_t deepattn_cuda_attention_saved_##suffix(const deepattn_attention_shape* shape) {          \
    return shape->natoms * deepattn::LayoutOf<T>(*shape, deepattn::kForward).saved_size;           \
  }                                                                                                \
  int64_t deepattn_cuda_attention_saved_tangents_##suffix(const deepattn_attention_shape* shape) { \
    return shape->natoms * deepattn::LayoutOf<T>(*shape, deepattn::kTangent).saved_tangents_size;  \
  }                                                                                                \
  int64_t deepattn_cuda_attention_workspace_##suffix(const deepattn_attention_shape* shape,        \
                                                     int pass, int with_sums) {                    \
    return deepattn::WorkspaceBytes<T>(*shape, pass, with_sums != 0);                              \
  }                                                                                                \
  void deepattn_cuda_attention_##suffix(                                                           \
      const deepattn::AttentionCall<T>* call, int pass, deepattn_cuda_problem* problem,            \
      void* workspace, int64_t workspace_bytes, void* stream, deepattn_status* status) {           \
    deepattn::RunAttention(*call, pass, problem, workspace, workspace_bytes, stream, status);      \
  }

DEEPATTN_DEFINE_CUDA_ATTENTION(float, f32)
DEEPATTN_DEFINE_CUDA_ATTENTION(double, f64)
