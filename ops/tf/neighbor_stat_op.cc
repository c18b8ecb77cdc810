// DeepattnNeighborStat: neighbor counts by type and the squared distance of the nearest neighbor.
#include <cmath>

#include "kernels/cpu/neighbor_stat.h"
#include "launch.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;

REGISTER_OP("DeepattnNeighborStat")
    .Attr("T: {float, double}")
    .Input("coord: T")
    .Input("atype: int32")
    .Input("box: T")
    .Attr("rcut: float")
    .Attr("ntypes: int >= 1")
    .Output("min_dist2: T")
    .Output("count: int32")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      ShapeHandle atype;
      int32_t ntypes;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &atype));
      TF_RETURN_IF_ERROR(c->GetAttr("ntypes", &ntypes));
      c->set_output(0, atype);
      c->set_output(1, c->MakeShape({c->Dim(atype, 0), c->Dim(atype, 1), c->MakeDim(ntypes)}));
      return absl::OkStatus();
    });

template <typename T>
class NeighborStatOp : public tensorflow::OpKernel {
 public:
  explicit NeighborStatOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("rcut", &rcut_));
    OP_REQUIRES_OK(context, context->GetAttr("ntypes", &ntypes_));
    OP_REQUIRES(context, std::isfinite(rcut_) && rcut_ > 0,
                InvalidArgument("rcut must be positive, not ", rcut_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& coord = context->input(0);
    const Tensor& atype = context->input(1);
    const Tensor& box = context->input(2);
    OP_REQUIRES_OK(context, RequireShape("atype", atype, {kAny, kAny}));
    const int64_t nframes = atype.dim_size(0);
    const int64_t nloc = atype.dim_size(1);
    OP_REQUIRES(context, nloc <= std::numeric_limits<int32_t>::max(),
                InvalidArgument("too many atoms: ", nloc));
    OP_REQUIRES_OK(context, RequireShape("coord", coord, {nframes, nloc, 3}));
    OP_REQUIRES_OK(context, RequireShape("box", box, {nframes, 9}));
    OP_REQUIRES_OK(context, RequireIndexable(nframes, nloc, ntypes_));
    Tensor *min_dist2, *count;
    OP_REQUIRES_OK(context, context->allocate_output(0, atype.shape(), &min_dist2));
    OP_REQUIRES_OK(context,
                   context->allocate_output(1, TensorShape({nframes, nloc, ntypes_}), &count));
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<T>(deepattn_neighbor_stat_f32, deepattn_neighbor_stat_f64)(
        nframes, nloc, ntypes_, rcut_, coord.flat<T>().data(), atype.flat<int32_t>().data(),
        box.flat<T>().data(), min_dist2->flat<T>().data(), count->flat<int32_t>().data(), &threads,
        &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  float rcut_;
  int32_t ntypes_;
};

REGISTER_KERNEL_BUILDER(
    Name("DeepattnNeighborStat").Device(tensorflow::DEVICE_CPU).TypeConstraint<float>("T"),
    NeighborStatOp<float>);
REGISTER_KERNEL_BUILDER(
    Name("DeepattnNeighborStat").Device(tensorflow::DEVICE_CPU).TypeConstraint<double>("T"),
    NeighborStatOp<double>);

}  // namespace
}  // namespace deepattn
