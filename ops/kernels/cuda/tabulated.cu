#include "contraction.h"
#include "tabulated.h"
#include "tabulated_slots.h"

namespace deepattn {
namespace {

// The embedding of a slot, and in the double backward the share of grad_grad_output.
template <typename T, bool double_backward>
struct Embedding {
  TabulatedSlots<T> slots;
  TabulatedGradGrads<T> grad_grads;

  // The embedding k of slot p, and Σ grad_grad_x · ∂embedding/∂x over all x but the matrix.
  DEEPATTN_DEVICE void At(const TabulatedSlot<T>& slot, int64_t p, int64_t k, T* embedding,
                          T* along) const {
    const TabulatedFunction<T> f(slots.call.shape, slot, k);
    *embedding = f.value * f.scale;
    if (!double_backward) return;
    *along = f.slope * f.scale * grad_grads.rows[p];
    if (grad_grads.weight != nullptr) *along += f.value * f.factor * grad_grads.weight[p];
    if (grad_grads.factors != nullptr) {
      *along += f.value * slot.weight * grad_grads.factors[p * slots.call.shape.width + k];
    }
  }
};

// The embedding itself, a block an atom.
template <typename T, bool double_backward>
struct TabulateRows {
  static constexpr int kThreads = 128;

  Embedding<T, double_backward> embedding;

  static int64_t SharedBytes() {
    Memory memory(nullptr);
    memory.Take<TabulatedSlot<T>>(kSlots);
    return memory.used();
  }

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const deepattn_tabulated_shape& shape = embedding.slots.call.shape;
    auto* found = block.Shared().Take<TabulatedSlot<T>>(kSlots);
    for (int64_t j0 = 0; j0 < shape.nnei; j0 += kSlots) {
      const int64_t first = block.index() * shape.nnei + j0;
      const int64_t n = shape.nnei - j0 < kSlots ? shape.nnei - j0 : kSlots;
      block.Each(n, [&](int64_t j) { found[j] = embedding.slots.At(first + j); });
      block.Each(n * shape.width, [&](int64_t item) {
        const int64_t j = item / shape.width, k = item % shape.width;
        T value, along;
        embedding.At(found[j], first + j, k, &value, &along);
        embedding.slots.call.output[(first + j) * shape.width + k] =
            double_backward ? along : value;
      });
    }
  }
};

// The embedding contracted with the matrix, a block an atom.
template <typename T, bool double_backward>
struct Contract {
  static constexpr int kThreads = kContractThreads;

  Embedding<T, double_backward> embedding;

  static int64_t SharedBytes(int64_t width) {
    Memory memory(nullptr);
    memory.Take<TabulatedSlot<T>>(kSlots);
    const Contraction<T> contraction(&memory, width);
    return memory.used();
  }

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const deepattn_tabulated_shape& shape = embedding.slots.call.shape;
    const int64_t first = block.index() * shape.nnei;
    Memory memory = block.Shared();
    auto* found = memory.Take<TabulatedSlot<T>>(kSlots);
    const Contraction<T> contraction(&memory, shape.width);
    int64_t slots;
    T times;
    embedding.slots.Count(block, block.index(), &slots, &times);
    contraction.Run(
        block, slots, [&](int64_t j0, int64_t j) { found[j] = embedding.slots.At(first + j0 + j); },
        [&](int64_t j0, int64_t j, int64_t k, Numbers<T, kColumns>* sums) {
          const T count = j0 + j == slots - 1 ? times : T(1);
          Add(found[j], first + j0 + j, k, count, sums);
        },
        [&](int64_t c, int64_t k, T sum) {
          embedding.slots.call.output[(block.index() * kColumns + c) * shape.width + k] = sum;
        });
  }

 private:
  DEEPATTN_DEVICE void Add(const TabulatedSlot<T>& slot, int64_t p, int64_t k, T count,
                           Numbers<T, kColumns>* sums) const {
    const auto row = Load<kColumns>(embedding.slots.call.matrix + p * kColumns);
    T value, along;
    embedding.At(slot, p, k, &value, &along);
    for (int c = 0; c < kColumns; ++c) {
      const T grad_matrix =
          double_backward ? value * embedding.grad_grads.matrix[p * kColumns + c] : T(0);
      (*sums)[c] += count * (double_backward ? along * row[c] + grad_matrix : value * row[c]);
    }
  }
};

// Gradients by everything but the tables, a block an atom and a warp a slot.
template <typename T>
struct TabulatedBackward {
  static constexpr int kThreads = 128;

  TabulatedSlots<T> slots;

  static int64_t SharedBytes() {
    Memory memory(nullptr);
    memory.Take<TabulatedSlot<T>>(kSlots);
    return memory.used();
  }

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    const TabulatedCall<T>& call = slots.call;
    const int64_t nnei = call.shape.nnei, width = call.shape.width, first = block.index() * nnei;
    int64_t n;
    T times_of_last;
    slots.Count(block, block.index(), &n, &times_of_last);
    auto* found = block.Shared().Take<TabulatedSlot<T>>(kSlots);
    for (int64_t j0 = 0; j0 < n; j0 += kSlots) {
      const int64_t here = n - j0 < kSlots ? n - j0 : kSlots;
      block.Each(here, [&](int64_t j) { found[j] = slots.At(first + j0 + j); });
      block.SumEach<T, 2 + kColumns>(
          here, width,
          [&](int64_t j, int64_t k, Numbers<T, 2 + kColumns>* sums) {
            const T times = j0 + j == n - 1 ? times_of_last : T(1);
            Add(found[j], block.index(), first + j0 + j, k, times, sums);
          },
          [&](int64_t j, const Numbers<T, 2 + kColumns>& sums) {
            Write(first + j0 + j, j0 + j == n - 1 ? times_of_last : T(1), sums);
          });
    }
    // Slots that another stands for have no gradients.
    block.Each(nnei - n, [&](int64_t j) {
      call.grad_rows[first + n + j] = 0;
      Store(call.grad_matrix + (first + n + j) * kColumns, Numbers<T, kColumns>{});
    });
    if (call.grad_factors == nullptr) return;
    block.Each((nnei - n) * width,
               [&](int64_t item) { call.grad_factors[(first + n) * width + item] = 0; });
  }

 private:
  DEEPATTN_DEVICE void Write(int64_t p, T times, const Numbers<T, 2 + kColumns>& sums) const {
    const TabulatedCall<T>& call = slots.call;
    call.grad_rows[p] = times * sums[0];
    if (call.grad_weight != nullptr) call.grad_weight[p] = sums[1];
    if (!call.shape.contracted) return;
    Numbers<T, kColumns> grad_matrix;
    for (int c = 0; c < kColumns; ++c) grad_matrix[c] = times * sums[2 + c];
    Store(call.grad_matrix + p * kColumns, grad_matrix);
  }

  // Adds what function k of slot p gives to its gradients: by the number, the weight, the matrix.
  DEEPATTN_DEVICE void Add(const TabulatedSlot<T>& slot, int64_t atom, int64_t p, int64_t k,
                           T times, Numbers<T, 2 + kColumns>* sums) const {
    const TabulatedCall<T>& call = slots.call;
    const int64_t width = call.shape.width;
    const TabulatedFunction<T> f(call.shape, slot, k);
    T grad;  // by the embedding
    if (call.shape.contracted) {
      Numbers<T, kColumns> columns;
      for (int c = 0; c < kColumns; ++c) {
        columns[c] = call.grad_output[(atom * kColumns + c) * width + k];
      }
      grad = f.AddGradients(Load<kColumns>(call.matrix + p * kColumns), columns, sums);
    } else {
      grad = call.grad_output[p * width + k];
      f.AddGradients(grad, sums);
    }
    if (call.grad_factors != nullptr) {
      call.grad_factors[p * width + k] = times * slot.weight * grad * f.value;
    }
  }
};

// Checks what the host can see, and brings the range into the kernels' arguments.
template <typename T>
TabulatedSlots<T> Begin(const TabulatedCall<T>& call, deepattn_cuda_problem* problem,
                        Queue* queue) {
  const deepattn_tabulated_shape& shape = call.shape;
  TabulatedSlots<T> slots = {call, {}, problem};
  std::copy_n(call.range, 5, slots.range.at);
  slots.call.range = nullptr;
  CheckRange(call.range, shape.nrows, queue);
  if (shape.is_sorted && (!shape.contracted || call.weight != nullptr)) {
    queue->Fail(DEEPATTN_INVALID_ARGUMENT,
                "sorted slots need a matrix, which tells padding, and no weights");
  }
  // Without slots, the last of them cannot be looked at.
  if (shape.nnei == 0) slots.call.shape.is_sorted = 0;
  queue->Clear(problem, 0xff, sizeof(*problem));
  return slots;
}

template <typename T, bool double_backward>
void Forward(const TabulatedSlots<T>& slots, const TabulatedGradGrads<T>& grad_grads,
             Queue* queue) {
  const deepattn_tabulated_shape& shape = slots.call.shape;
  if (shape.contracted) {
    queue->Launch(shape.natoms, Contract<T, double_backward>::SharedBytes(shape.width),
                  Contract<T, double_backward>{{slots, grad_grads}});
  } else {
    queue->Launch(shape.natoms, TabulateRows<T, double_backward>::SharedBytes(),
                  TabulateRows<T, double_backward>{{slots, grad_grads}});
  }
}

template <typename T>
void Tabulated(const TabulatedCall<T>& call, int pass, deepattn_cuda_problem* problem,
               Queue queue) {
  const TabulatedSlots<T> slots = Begin<T>(call, problem, &queue);
  if (pass == kForward) return Forward<T, false>(slots, {}, &queue);
  queue.Launch(call.shape.natoms, TabulatedBackward<T>::SharedBytes(), TabulatedBackward<T>{slots});
}

template <typename T>
void TabulatedDoubleBackward(const TabulatedCall<T>& call, const TabulatedGradGrads<T>& grad_grads,
                             deepattn_cuda_problem* problem, Queue queue) {
  Forward<T, true>(Begin<T>(call, problem, &queue), grad_grads, &queue);
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_CUDA_TABULATED(T, suffix)                                                \
  void deepattn_cuda_tabulated_##suffix(const deepattn::TabulatedCall<T>* call, int pass,        \
                                        deepattn_cuda_problem* problem, void* stream,            \
                                        deepattn_status* status) {                               \
    deepattn::Tabulated<T>(*call, pass, problem, deepattn::Queue(stream, status));               \
  }                                                                                              \
  void deepattn_cuda_tabulated_double_backward_##suffix(                                         \
      const deepattn::TabulatedCall<T>* call, const deepattn::TabulatedGradGrads<T>* grad_grads, \
      deepattn_cuda_problem* problem, void* stream, deepattn_status* status) {                   \
    deepattn::TabulatedDoubleBackward<T>(*call, *grad_grads, problem,                            \
                                         deepattn::Queue(stream, status));                       \
  }

DEEPATTN_DEFINE_CUDA_TABULATED(float, f32)
DEEPATTN_DEFINE_CUDA_TABULATED(double, f64)
