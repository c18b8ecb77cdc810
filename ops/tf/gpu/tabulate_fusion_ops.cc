// TabulateFusionSeAtten and TabulateFusionSeA with their gradients on a GPU.
#include "tabulated_gpu_op.h"
#include "tf/tabulate_fusion_op.h"

namespace deepattn {
namespace {

#define DEEPATTN_REGISTER_ALL(T)                                                                 \
  DEEPATTN_REGISTER_GPU("TabulateFusionSeA", T, kForward, TabulateFusionOp<T, false, kForward>); \
  DEEPATTN_REGISTER_GPU("TabulateFusionSeAGrad", T, kBackward,                                   \
                        TabulateFusionOp<T, false, kBackward>);                                  \
  DEEPATTN_REGISTER_GPU("TabulateFusionSeAtten", T, kForward,                                    \
                        TabulateFusionOp<T, true, kForward>);                                    \
  DEEPATTN_REGISTER_GPU("TabulateFusionSeAttenGrad", T, kBackward,                               \
                        TabulateFusionOp<T, true, kBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
