// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "passes.h"

namespace {

template <typename T>
int64_t ScratchSize(const deepattn_tabulated_shape* shape) {
  return Atom<T, false>::ScratchSize(*shape);
}

template <typename T>
void ForwardPass(const TabulatedCall<T>* call, int64_t atom, T* scratch) {
  if (call->shape.stock) {
    Atom<T, true>(*call, atom, scratch).Forward();
  } else {
    Atom<T, false>(*call, atom, scratch).Forward();
  }
}

template <typename T>
void BackwardPass(const TabulatedCall<T>* call, int64_t atom, T* scratch) {
  if (call->shape.stock) {
    Atom<T, true>(*call, atom, scratch).Backward();
  } else {
    Atom<T, false>(*call, atom, scratch).Backward();
  }
}

template <typename T>
constexpr deepattn::TabulatedKernels<T> kKernels = {ScratchSize<T>,
                                                    {ForwardPass<T>, BackwardPass<T>}};

}  // namespace

namespace deepattn {

const TabulatedTable DEEPATTN_TABLE(kTabulated) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
