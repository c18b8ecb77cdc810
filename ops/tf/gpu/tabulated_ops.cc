// DeepattnTabulatedContraction and DeepattnTabulatedEmbedding with their gradients on a GPU.
#include "tabulated_gpu_op.h"
#include "tf/tabulated_own_op.h"

namespace deepattn {
namespace {

#define DEEPATTN_REGISTER_ALL(T)                                          \
  DEEPATTN_REGISTER_GPU("DeepattnTabulatedEmbedding", T, kForward,        \
                        TabulatedOwnOp<T, false, kForward>);              \
  DEEPATTN_REGISTER_GPU("DeepattnTabulatedEmbeddingGrad", T, kBackward,   \
                        TabulatedOwnOp<T, false, kBackward>);             \
  DEEPATTN_REGISTER_GPU("DeepattnTabulatedContraction", T, kForward,      \
                        TabulatedOwnOp<T, true, kForward>);               \
  DEEPATTN_REGISTER_GPU("DeepattnTabulatedContractionGrad", T, kBackward, \
                        TabulatedOwnOp<T, true, kBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
