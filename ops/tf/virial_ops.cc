// ProdVirialSeA and ProdVirialSeAGrad under DeePMD's names.
#include "pair_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

REGISTER_OP("ProdVirialSeA")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("net_deriv: T")
    .Input("in_deriv: T")
    .Input("rij: T")
    .Input("nlist: int32")
    .Input("natoms: int32")
    .Attr("n_a_sel: int")
    .Attr("n_r_sel: int")
    .Output("virial: T")
    .Output("atom_virial: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      DimensionHandle nframes, nloc, nall;
      TF_RETURN_IF_ERROR(FrameDim(c, 0, &nframes));
      TF_RETURN_IF_ERROR(CountDims(c, 4, &nloc, &nall));
      c->set_output(0, c->Matrix(nframes, 9));
      return SetRows(c, 1, nframes, nall, 9);
    });

REGISTER_OP("ProdVirialSeAGrad")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("grad: T")
    .Input("net_deriv: T")
    .Input("in_deriv: T")
    .Input("rij: T")
    .Input("nlist: int32")
    .Input("natoms: int32")
    .Attr("n_a_sel: int")
    .Attr("n_r_sel: int")
    .Output("grad_net: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      c->set_output(0, c->input(1));
      return absl::OkStatus();
    });

DEEPATTN_REGISTER("ProdVirialSeA", float, PairOp<float, kVirial>);
DEEPATTN_REGISTER("ProdVirialSeAGrad", float, PairOp<float, kVirialGrad>);
DEEPATTN_REGISTER("ProdVirialSeA", double, PairOp<double, kVirial>);
DEEPATTN_REGISTER("ProdVirialSeAGrad", double, PairOp<double, kVirialGrad>);

}  // namespace
}  // namespace deepattn
