// ProdForceSeA and ProdForceSeAGrad under DeePMD's names.
#include "pair_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

REGISTER_OP("ProdForceSeA")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("net_deriv: T")
    .Input("in_deriv: T")
    .Input("nlist: int32")
    .Input("natoms: int32")
    .Attr("n_a_sel: int")
    .Attr("n_r_sel: int")
    .Output("force: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      DimensionHandle nframes, nloc, nall;
      TF_RETURN_IF_ERROR(FrameDim(c, 0, &nframes));
      TF_RETURN_IF_ERROR(CountDims(c, 3, &nloc, &nall));
      return SetRows(c, 0, nframes, nall, 3);
    });

REGISTER_OP("ProdForceSeAGrad")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("grad: T")
    .Input("net_deriv: T")
    .Input("in_deriv: T")
    .Input("nlist: int32")
    .Input("natoms: int32")
    .Attr("n_a_sel: int")
    .Attr("n_r_sel: int")
    .Output("grad_net: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      c->set_output(0, c->input(1));
      return absl::OkStatus();
    });

DEEPATTN_REGISTER("ProdForceSeA", float, PairOp<float, kForce>);
DEEPATTN_REGISTER("ProdForceSeAGrad", float, PairOp<float, kForceGrad>);
DEEPATTN_REGISTER("ProdForceSeA", double, PairOp<double, kForce>);
DEEPATTN_REGISTER("ProdForceSeAGrad", double, PairOp<double, kForceGrad>);

}  // namespace
}  // namespace deepattn
