// ProdEnvMatAMix and ProdEnvMatA: the environment matrix under DeePMD's names.
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/cpu/env_mat.h"
#include "launch.h"
#include "mesh.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;

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

// `mixed`: all neighbour types share one block of slots, and ntype and nmask are wanted.
template <typename T, bool mixed>
class EnvMatOp : public tensorflow::OpKernel {
 public:
  explicit EnvMatOp(OpKernelConstruction* context) : OpKernel(context) {
    std::vector<int32_t> sel_r;
    OP_REQUIRES_OK(context, context->GetAttr("rcut_r", &rcut_));
    OP_REQUIRES_OK(context, context->GetAttr("rcut_r_smth", &rcut_smth_));
    OP_REQUIRES_OK(context, context->GetAttr("sel_a", &sel_));
    OP_REQUIRES_OK(context, context->GetAttr("sel_r", &sel_r));
    OP_REQUIRES(context, std::isfinite(rcut_) && rcut_ > 0 && rcut_smth_ <= rcut_,
                InvalidArgument("rcut_r must be positive and rcut_r_smth not above it, not ", rcut_,
                                " and ", rcut_smth_));
    for (const int32_t n : sel_) {
      OP_REQUIRES(context, n >= 0, InvalidArgument("sel_a must not be negative, not ", n));
      nnei_ += n;
    }
    OP_REQUIRES(context, nnei_ <= std::numeric_limits<int32_t>::max(),
                InvalidArgument("sel_a adds up to ", nnei_, " slots, too many"));
    for (const int32_t n : sel_r) {
      OP_REQUIRES(context, n == 0, InvalidArgument("sel_r must be 0, not ", n));
    }
    OP_REQUIRES(context, !mixed || sel_.size() == 1,
                InvalidArgument("sel_a must have one entry, not ", sel_.size()));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& coord = context->input(0);
    const Tensor& type = context->input(1);
    const Tensor& box = context->input(3);
    const Tensor& davg = context->input(5);
    const Tensor& dstd = context->input(6);
    AtomCounts counts;
    OP_REQUIRES_OK(context, ReadCounts(context->input(2), &counts));
    OP_REQUIRES_OK(context, RequireShape("coord", coord, {kAny, 3 * counts.nall}));
    const int64_t nframes = coord.dim_size(0);
    OP_REQUIRES_OK(context, RequireShape("type", type, {nframes, counts.nall}));
    OP_REQUIRES_OK(context, RequireShape("box", box, {nframes, 9}));
    OP_REQUIRES_OK(context, RequireShape("davg", davg, {counts.ntypes, 4 * nnei_}));
    OP_REQUIRES_OK(context, RequireShape("dstd", dstd, {counts.ntypes, 4 * nnei_}));
    OP_REQUIRES(
        context, mixed || static_cast<int32_t>(sel_.size()) == counts.ntypes,
        InvalidArgument("sel_a has ", sel_.size(), " entries for ", counts.ntypes, " types"));
    OP_REQUIRES_OK(context, RequireIndexable(nframes, counts.nloc, nnei_));
    Mesh mesh;
    OP_REQUIRES_OK(context, ReadMesh(context->input(4), counts.nloc, counts.nall, &mesh));

    Tensor* out[6] = {};
    const int64_t widths[] = {4, 12, 3, 1, 1, 1};
    for (int k = 0; k < (mixed ? 6 : 4); ++k) {
      const TensorShape shape({nframes, counts.nloc * nnei_ * widths[k]});
      OP_REQUIRES_OK(context, context->allocate_output(k, shape, &out[k]));
    }
    const deepattn_env_mat_shape shape = {
        nframes,       counts.nloc, counts.nall, nnei_,
        counts.ntypes, rcut_,       rcut_smth_,  mixed ? nullptr : sel_.data()};
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    static_assert(sizeof(bool) == 1, "nmask is written as bytes");
    Pick<T>(deepattn_env_mat_f32, deepattn_env_mat_f64)(
        &shape, &mesh.source, coord.flat<T>().data(), type.flat<int32_t>().data(),
        box.flat<T>().data(), davg.flat<T>().data(), dstd.flat<T>().data(),
        out[0]->flat<T>().data(), out[1]->flat<T>().data(), out[2]->flat<T>().data(),
        out[3]->flat<int32_t>().data(), mixed ? out[4]->flat<int32_t>().data() : nullptr,
        mixed ? reinterpret_cast<uint8_t*>(out[5]->flat<bool>().data()) : nullptr, &threads,
        &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  float rcut_;
  float rcut_smth_;
  std::vector<int32_t> sel_;
  int64_t nnei_ = 0;
};

#define DEEPATTN_REGISTER(T)                                                        \
  REGISTER_KERNEL_BUILDER(                                                          \
      Name("ProdEnvMatAMix").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), \
      EnvMatOp<T, true>);                                                           \
  REGISTER_KERNEL_BUILDER(                                                          \
      Name("ProdEnvMatA").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),    \
      EnvMatOp<T, false>)

DEEPATTN_REGISTER(float);
DEEPATTN_REGISTER(double);
#undef DEEPATTN_REGISTER

}  // namespace
}  // namespace deepattn
