// The base of the ops over tables of embeddings, of our own names and of DeePMD-kit's.
#ifndef DEEPATTN_OPS_TF_TABULATED_OP_H_
#define DEEPATTN_OPS_TF_TABULATED_OP_H_

#include "kernels/cpu/tabulated.h"
#include "pass_op.h"

namespace deepattn {

template <typename T>
struct TabulatedCallOf;

template <>
struct TabulatedCallOf<float> {
  using Call = deepattn_tabulated_call_f32;
};

template <>
struct TabulatedCallOf<double> {
  using Call = deepattn_tabulated_call_f64;
};

// The tables are constants.
struct NoSums {};

template <typename T, int order>
class TabulatedOp : public PassOp<T, typename TabulatedCallOf<T>::Call, NoSums> {
 public:
  using Call = typename TabulatedCallOf<T>::Call;
  using PassOp<T, Call, NoSums>::PassOp;

 protected:
  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_tabulated_f32, deepattn_tabulated_f64)(&call, order, &threads, status);
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_TABULATED_OP_H_
