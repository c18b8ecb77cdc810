// The passes of the ops that are trained through, and the names of what they take and give.
//
// An op computes y = f(x, w) of inputs x and parameters w. Training needs the derivative of some L
// by x (forces are such), and then the derivative of some M, the loss, that depends on these. The
// same names are used in all kernels, in the ops' C++ and Python, and in the tests:
//
//   forward          output = y; `saved` is left for the other passes
//   backward         from grad_output = ∂L/∂y: grad_x = ∂L/∂x and, where asked for, grad_w = ∂L/∂w
//   double backward  from grad_output and grad_grad_x = ∂M/∂grad_x: grad_grad_output =
//                    ∂M/∂grad_output, and the shares that M has through grad_x in ∂M/∂x and ∂M/∂w
//
// The double backward is one pass, or two: grad_grad_output is also the tangent of y along
// grad_grad_x, and so the first is named the tangent pass; the second, which differentiates
// both in reverse, is the reverse pass. It takes outer_grad_output = ∂M/∂y, by what else M depends
// on, along, and then gives all of ∂M/∂x and ∂M/∂w.
//
// Inside a pass grad_x is ∂L/∂x of any number x, outer_grad_x is ∂M/∂x, and x_tangent is the
// tangent of x. ∂M/∂x_tangent equals ∂L/∂x, and so it is called grad_x too.
//
// Names of registered ops, of their inputs and outputs are written into graphs, and stay as they
// were: there `grad` is grad_output, bar_x grad_grad_x, bar_output outer_grad_output, `kept` saved,
// `state` saved_tangents, out_x grad_x.
#ifndef DEEPATTN_OPS_KERNELS_COMMON_PASSES_H_
#define DEEPATTN_OPS_KERNELS_COMMON_PASSES_H_

namespace deepattn {

enum Pass { kForward, kBackward, kDoubleBackward, kTangent = kDoubleBackward, kReverse, kPasses };

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_COMMON_PASSES_H_
