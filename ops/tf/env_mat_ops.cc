// ProdEnvMatAMix and ProdEnvMatA: the environment matrix under DeePMD's names.
#include <numeric>

#include "env_mat_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

absl::Status EnvMatShape(InferenceContext* c) {
  DimensionHandle nframes, nloc, nall;
  TF_RETURN_IF_ERROR(FrameDim(c, 0, &nframes));
  TF_RETURN_IF_ERROR(CountDims(c, 2, &nloc, &nall));
  std::vector<int32_t> sel;
  TF_RETURN_IF_ERROR(c->GetAttr("sel_a", &sel));
  const int64_t nnei = std::accumulate(sel.begin(), sel.end(), int64_t{0});
  if (nnei < 0) return InvalidArgument("sel_a must not be negative");
  const int64_t widths[] = {4, 12, 3, 1, 1, 1};
  for (int output = 0; output < c->num_outputs(); ++output) {
    TF_RETURN_IF_ERROR(SetRows(c, output, nframes, nloc, nnei * widths[output]));
  }
  return absl::OkStatus();
}

REGISTER_OP("ProdEnvMatAMix")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("coord: T")
    .Input("type: int32")
    .Input("natoms: int32")
    .Input("box: T")
    .Input("mesh: int32")
    .Input("davg: T")
    .Input("dstd: T")
    .Attr("rcut_a: float")
    .Attr("rcut_r: float")
    .Attr("rcut_r_smth: float")
    .Attr("sel_a: list(int)")
    .Attr("sel_r: list(int)")
    .Output("descrpt: T")
    .Output("descrpt_deriv: T")
    .Output("rij: T")
    .Output("nlist: int32")
    .Output("ntype: int32")
    .Output("nmask: bool")
    .SetShapeFn(EnvMatShape);

REGISTER_OP("ProdEnvMatA")
    .Attr("T: {float, double} = DT_DOUBLE")
    .Input("coord: T")
    .Input("type: int32")
    .Input("natoms: int32")
    .Input("box: T")
    .Input("mesh: int32")
    .Input("davg: T")
    .Input("dstd: T")
    .Attr("rcut_a: float")
    .Attr("rcut_r: float")
    .Attr("rcut_r_smth: float")
    .Attr("sel_a: list(int)")
    .Attr("sel_r: list(int)")
    .Output("descrpt: T")
    .Output("descrpt_deriv: T")
    .Output("rij: T")
    .Output("nlist: int32")
    .SetShapeFn(EnvMatShape);

template <typename T, bool mixed>
class EnvMatCpuOp : public EnvMatOp<T, mixed> {
 public:
  using EnvMatOp<T, mixed>::EnvMatOp;

 protected:
  absl::Status Run(OpKernelContext* context, const EnvMatArguments<T>& a) override {
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<T>(deepattn_env_mat_f32, deepattn_env_mat_f64)(
        &a.shape, &a.mesh.source, a.coord, a.atype, a.box, a.davg, a.dstd, a.descrpt, a.deriv,
        a.rij, a.nlist, a.ntype, a.nmask, &threads, &status);
    return ToStatus(status);
  }
};

#define DEEPATTN_REGISTER(T)                                                        \
  REGISTER_KERNEL_BUILDER(                                                          \
      Name("ProdEnvMatAMix").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), \
      EnvMatCpuOp<T, true>);                                                        \
  REGISTER_KERNEL_BUILDER(                                                          \
      Name("ProdEnvMatA").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),    \
      EnvMatCpuOp<T, false>)

DEEPATTN_REGISTER(float);
DEEPATTN_REGISTER(double);
#undef DEEPATTN_REGISTER

}  // namespace
}  // namespace deepattn
