// Registration of several ops whose definitions have parts in common: functions write those parts.
#ifndef DEEPATTN_OPS_TF_OP_DEF_H_
#define DEEPATTN_OPS_TF_OP_DEF_H_

#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {

// `OpDef(name)…()`, with brackets at the end, registers an op.
using OpDef = tensorflow::register_op::OpDefBuilderWrapper;
using tensorflow::InitOnStartupMarker;

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_OP_DEF_H_
