// The base of the environment matrices under DeePMD's names: attributes, shapes, outputs.
#ifndef DEEPATTN_OPS_TF_ENV_MAT_OP_H_
#define DEEPATTN_OPS_TF_ENV_MAT_OP_H_

#include <cmath>
#include <limits>
#include <vector>

#include "atoms.h"
#include "kernels/cpu/env_mat.h"
#include "mesh.h"

namespace deepattn {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;

// What the kernels take; ntype and nmask are null unless the op is mixed.
template <typename T>
struct EnvMatArguments {
  deepattn_env_mat_shape shape;
  Mesh mesh;
  const T* coord;
  const int32_t* atype;
  const T* box;
  const T* davg;
  const T* dstd;
  T* descrpt;
  T* deriv;
  T* rij;
  int32_t* nlist;
  int32_t* ntype;
  uint8_t* nmask;
};

// `mixed`: all neighbor types share one block of slots, and ntype and nmask are wanted.
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

  void Compute(OpKernelContext* context) final {
    const Tensor& coord = context->input(0);
    const Tensor& type = context->input(1);
    const Tensor& box = context->input(3);
    const Tensor& davg = context->input(5);
    const Tensor& dstd = context->input(6);
    AtomCounts counts;
    OP_REQUIRES_OK(context, ReadCounts(context->input(2), &counts));
    OP_REQUIRES_OK(context, RequireAtoms(coord, type, box, davg, dstd, counts, nnei_));
    const int64_t nframes = coord.dim_size(0);
    OP_REQUIRES(
        context, mixed || static_cast<int32_t>(sel_.size()) == counts.ntypes,
        InvalidArgument("sel_a has ", sel_.size(), " entries for ", counts.ntypes, " types"));
    EnvMatArguments<T> arguments;
    OP_REQUIRES_OK(context, ReadMesh(context->input(4), counts.nloc, counts.nall, &arguments.mesh));

    Tensor* out[6] = {};
    const int64_t widths[] = {4, 12, 3, 1, 1, 1};
    for (int k = 0; k < (mixed ? 6 : 4); ++k) {
      const TensorShape shape({nframes, counts.nloc * nnei_ * widths[k]});
      OP_REQUIRES_OK(context, context->allocate_output(k, shape, &out[k]));
    }
    arguments.shape = {nframes,       counts.nloc, counts.nall, nnei_,
                       counts.ntypes, rcut_,       rcut_smth_,  mixed ? nullptr : sel_.data()};
    static_assert(sizeof(bool) == 1, "nmask is written as bytes");
    arguments.coord = coord.flat<T>().data();
    arguments.atype = type.flat<int32_t>().data();
    arguments.box = box.flat<T>().data();
    arguments.davg = davg.flat<T>().data();
    arguments.dstd = dstd.flat<T>().data();
    arguments.descrpt = out[0]->flat<T>().data();
    arguments.deriv = out[1]->flat<T>().data();
    arguments.rij = out[2]->flat<T>().data();
    arguments.nlist = out[3]->flat<int32_t>().data();
    arguments.ntype = mixed ? out[4]->flat<int32_t>().data() : nullptr;
    arguments.nmask = mixed ? reinterpret_cast<uint8_t*>(out[5]->flat<bool>().data()) : nullptr;
    OP_REQUIRES_OK(context, Run(context, arguments));
  }

 protected:
  virtual absl::Status Run(OpKernelContext* context, const EnvMatArguments<T>& arguments) = 0;

 private:
  float rcut_;
  float rcut_smth_;
  std::vector<int32_t> sel_;
  int64_t nnei_ = 0;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_ENV_MAT_OP_H_
