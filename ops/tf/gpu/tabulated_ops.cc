// DeepattnTabulatedContraction and DeepattnTabulatedEmbedding with their gradients on a GPU.
#include "tabulated_gpu_op.h"
#include "tf/tabulated_own_op.h"

namespace deepattn {
namespace {

#define DEEPATTN_REGISTER_ALL(T)                                                              \
  DEEPATTN_REGISTER_GPU("DeepattnTabulatedEmbedding", T, 0, TabulatedOwnOp<T, false, 0>);     \
  DEEPATTN_REGISTER_GPU("DeepattnTabulatedEmbeddingGrad", T, 1, TabulatedOwnOp<T, false, 1>); \
  DEEPATTN_REGISTER_GPU("DeepattnTabulatedContraction", T, 0, TabulatedOwnOp<T, true, 0>);    \
  DEEPATTN_REGISTER_GPU("DeepattnTabulatedContractionGrad", T, 1, TabulatedOwnOp<T, true, 1>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
