// TabulateFusionSeAtten and TabulateFusionSeA with their gradients on a GPU.
#include "tabulated_gpu_op.h"
#include "tf/tabulate_fusion_op.h"

namespace deepattn {
namespace {

#define DEEPATTN_REGISTER_ALL(T)                                                       \
  DEEPATTN_REGISTER_GPU("TabulateFusionSeA", T, 0, TabulateFusionOp<T, false, 0>);     \
  DEEPATTN_REGISTER_GPU("TabulateFusionSeAGrad", T, 1, TabulateFusionOp<T, false, 1>); \
  DEEPATTN_REGISTER_GPU("TabulateFusionSeAtten", T, 0, TabulateFusionOp<T, true, 0>);  \
  DEEPATTN_REGISTER_GPU("TabulateFusionSeAttenGrad", T, 1, TabulateFusionOp<T, true, 1>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
