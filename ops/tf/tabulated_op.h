// The base of the ops over tables of embeddings, of our own names and of DeePMD-kit's. The tables
// are constants.
#ifndef DEEPATTN_OPS_TF_TABULATED_OP_H_
#define DEEPATTN_OPS_TF_TABULATED_OP_H_

#include "kernels/cpu/tabulated.h"
#include "pass_op.h"

namespace deepattn {

template <typename T, int pass>
class TabulatedOp : public PassOp<T, TabulatedCall<T>> {
 public:
  using PassOp<T, TabulatedCall<T>>::PassOp;

 protected:
  void Run(const TabulatedCall<T>& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_tabulated_f32, deepattn_tabulated_f64)(&call, pass, &threads, status);
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_TABULATED_OP_H_
