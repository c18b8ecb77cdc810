// The base of DeepattnTabulatedPotential on any device: attributes, shapes, outputs.
#ifndef DEEPATTN_OPS_TF_TABULATED_POTENTIAL_OP_H_
#define DEEPATTN_OPS_TF_TABULATED_POTENTIAL_OP_H_

#include <cmath>
#include <limits>
#include <vector>

#include "atoms.h"
#include "mesh.h"
#include "potential_op.h"

namespace deepattn {

// The output that is there with a basis, behind all others.
constexpr int kDistance = 4;

// What the kernels take.
template <typename F, typename T>
struct PotentialInputs {
  PotentialCall<F, T> call = {};
  Mesh mesh;
  std::vector<FittingNet<T>> nets;
  std::vector<Tensor> weights;  // of the nets
};

template <typename F, typename T>
class TabulatedPotentialOp : public PotentialOp {
 public:
  explicit TabulatedPotentialOp(OpKernelConstruction* context) : PotentialOp(context) {
    OP_REQUIRES_OK(context, context->GetAttr("rcut", &rcut_));
    OP_REQUIRES_OK(context, context->GetAttr("rcut_smth", &rcut_smth_));
    OP_REQUIRES_OK(context, context->GetAttr("width", &width_));
    OP_REQUIRES(context, std::isfinite(rcut_) && rcut_ > 0 && rcut_smth_ <= rcut_,
                InvalidArgument("rcut must be positive and rcut_smth not above it, not ", rcut_,
                                " and ", rcut_smth_));
    OP_REQUIRES(context, nnei_ > 0 && nnei_ <= std::numeric_limits<int32_t>::max(),
                InvalidArgument("sel must add up to a number of slots, not ", nnei_));
    OP_REQUIRES(context, axis_ <= width_,
                InvalidArgument("axis must not be above width, not ", axis_, " and ", width_));
    int64_t nbases;
    OP_REQUIRES_OK(context, context->GetAttr("nbases", &nbases));
    OP_REQUIRES(context, nbases <= 1,
                InvalidArgument("there must be one basis or none, not ", nbases));
  }

  void Compute(OpKernelContext* context) final {
    PotentialInputs<F, T> inputs;
    OP_REQUIRES_OK(context, ReadAtoms(context, &inputs.call, &inputs.mesh));
    OP_REQUIRES_OK(context, ReadTables(context, &inputs.call));
    OP_REQUIRES_OK(context, ReadNets(context, &inputs));
    OP_REQUIRES_OK(context, ReadBasis(context, &inputs.call));
    OP_REQUIRES_OK(context, AllocateOutputs(context, &inputs.call));
    OP_REQUIRES_OK(context, Run(context, inputs));
  }

 protected:
  virtual absl::Status Run(OpKernelContext* context, const PotentialInputs<F, T>& inputs) = 0;

 private:
  absl::Status ReadAtoms(OpKernelContext* context, PotentialCall<F, T>* call, Mesh* mesh) const {
    AtomCounts counts;
    TF_RETURN_IF_ERROR(ReadCounts(context->input(2), &counts));
    const Tensor *coord, *type, *box, *davg, *dstd;
    TF_RETURN_IF_ERROR(context->input("coord", &coord));
    TF_RETURN_IF_ERROR(context->input("type", &type));
    TF_RETURN_IF_ERROR(context->input("box", &box));
    TF_RETURN_IF_ERROR(context->input("davg", &davg));
    TF_RETURN_IF_ERROR(context->input("dstd", &dstd));
    TF_RETURN_IF_ERROR(RequireAtoms(*coord, *type, *box, *davg, *dstd, counts, nnei_));
    const int64_t nframes = coord->dim_size(0);
    const int64_t nblocks = sel_.size();
    if (nblocks != 1 && nblocks != counts.ntypes) {
      return InvalidArgument("sel has ", nblocks, " entries for ", counts.ntypes, " types");
    }
    TF_RETURN_IF_ERROR(ReadMesh(context->input(4), counts.nloc, counts.nall, mesh));
    call->atoms = {nframes,       counts.nloc, counts.nall, nnei_,
                   counts.ntypes, rcut_,       rcut_smth_,  nblocks == 1 ? nullptr : sel_.data()};
    call->coord = coord->flat<F>().data();
    call->atype = type->flat<int32_t>().data();
    call->box = box->flat<F>().data();
    call->davg = davg->flat<F>().data();
    call->dstd = dstd->flat<F>().data();
    TF_RETURN_IF_ERROR(
        ReadOptional(context, "keep", {counts.ntypes, counts.ntypes + 1}, &call->keep));
    call->excluded_is_average = excluded_is_average_;
    return absl::OkStatus();
  }

  absl::Status ReadTables(OpKernelContext* context, PotentialCall<F, T>* call) const {
    const T* count;
    TF_RETURN_IF_ERROR(Read(context, "table", {kAny, kAny, 6, kAny}, &call->table));
    TF_RETURN_IF_ERROR(Read(context, "table_info", {6}, &call->range));
    TF_RETURN_IF_ERROR(Read(context, "count", {}, &count));
    TF_RETURN_IF_ERROR(Read(context, "switch_range", {2}, &call->switch_range));
    const Tensor &table = Input(context, "table"), &factors = Input(context, "factors");
    deepattn_tabulated_shape& shape = call->table_shape;
    shape.ntables = table.dim_size(0);
    shape.nrows = table.dim_size(1);
    shape.stride = table.dim_size(3);
    shape.width = width_;
    TF_RETURN_IF_ERROR(Read(context, "factors", {kAny, shape.stride}, &call->factors));
    shape.nfactors = factors.dim_size(0);
    if (shape.ntables < 1 || shape.nrows < 1 || width_ > shape.stride ||
        shape.stride % kTableStride != 0) {
      return InvalidArgument("table must not be empty, and its rows a multiple of ", kTableStride,
                             " that has ", width_, " numbers, not ", table.shape().DebugString());
    }
    const int64_t ntypes = call->atoms.ntypes;
    const int64_t npairs = (sees_center_ ? ntypes : 1) * (ntypes + 1);
    if ((shape.ntables > 1 && shape.ntables != npairs) ||
        (shape.nfactors > 0 && shape.nfactors != npairs)) {
      return InvalidArgument("there are ", shape.ntables, " tables and ", shape.nfactors,
                             " factors for ", npairs, " pairs of types");
    }
    call->count = *count;
    call->sees_center = sees_center_;
    call->switch_kind = switch_;
    call->axis = axis_;
    return absl::OkStatus();
  }

  absl::Status ReadNets(OpKernelContext* context, PotentialInputs<F, T>* inputs) const {
    PotentialCall<F, T>* call = &inputs->call;
    OpInputList matrices, biases, steps, last_matrices, last_biases;
    TF_RETURN_IF_ERROR(context->input_list("matrices", &matrices));
    TF_RETURN_IF_ERROR(context->input_list("biases", &biases));
    TF_RETURN_IF_ERROR(context->input_list("steps", &steps));
    TF_RETURN_IF_ERROR(context->input_list("last_matrices", &last_matrices));
    TF_RETURN_IF_ERROR(context->input_list("last_biases", &last_biases));
    const int64_t nnets = last_matrices.size(), nhidden = matrices.size() / nnets;
    if (nhidden * nnets != matrices.size() || nhidden > kMostHidden ||
        static_cast<int64_t>(copies_.size()) != nhidden ||
        (nnets != 1 && nnets != call->atoms.ntypes)) {
      return InvalidArgument("there must be one net or one for each type, of at most ", kMostHidden,
                             " hidden layers with their copies, not ", nnets, " of ",
                             matrices.size(), " matrices and ", copies_.size(), " copies");
    }
    std::vector<FittingNet<T>>& nets = inputs->nets;
    std::vector<Tensor>& weights = inputs->weights;
    nets.resize(nnets);
    for (int64_t k = 0; k < nnets; ++k) {
      std::vector<Tensor> parts[3];  // matrices, biases, steps
      const OpInputList* const lists[] = {&matrices, &biases, &steps};
      for (int part = 0; part < 3; ++part) {
        for (int64_t l = 0; l < nhidden; ++l) {
          parts[part].push_back((*lists[part])[k * nhidden + l]);
        }
        weights.insert(weights.end(), parts[part].begin(), parts[part].end());
      }
      weights.insert(weights.end(), {last_matrices[k], last_biases[k]});
      TF_RETURN_IF_ERROR(ReadFittingNet(width_ * axis_, copies_, parts[0], parts[1], parts[2],
                                        last_matrices[k], last_biases[k], &nets[k]));
      if (nets[k].width[0] != nets[0].width[0]) {
        return InvalidArgument("the first layers of all nets must be equally wide, not ",
                               nets[0].width[0], " and ", nets[k].width[0]);
      }
    }
    call->nnets = nnets;
    const int64_t nframes = call->atoms.nframes, first = nets[0].width[0];
    TF_RETURN_IF_ERROR(
        Read(context, "type_offset", {call->atoms.ntypes, first}, &call->type_offset));
    TF_RETURN_IF_ERROR(
        ReadOptional(context, "frame_offset", {nframes, first}, &call->frame_offset));
    return ReadOptional(context, "atom_offset", {nframes * call->atoms.nloc, first},
                        &call->atom_offset);
  }

  absl::Status ReadBasis(OpKernelContext* context, PotentialCall<F, T>* call) const {
    OpInputList bases, origins, roots;
    TF_RETURN_IF_ERROR(context->input_list("basis", &bases));
    TF_RETURN_IF_ERROR(context->input_list("origin", &origins));
    TF_RETURN_IF_ERROR(context->input_list("root", &roots));
    if (bases.size() == 0) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("basis", bases[0], {width_ * axis_, kAny}));
    const int64_t ntypes = call->atoms.ntypes, count = bases[0].dim_size(1);
    TF_RETURN_IF_ERROR(RequireShape("origin", origins[0], {ntypes, count}));
    TF_RETURN_IF_ERROR(RequireShape("root", roots[0], {ntypes, count, count}));
    call->distance_basis = {count, bases[0].template flat<T>().data(),
                            origins[0].template flat<T>().data(),
                            roots[0].template flat<T>().data()};
    return absl::OkStatus();
  }

  static absl::Status AllocateOutputs(OpKernelContext* context, PotentialCall<F, T>* call) {
    const deepattn_env_mat_shape& atoms = call->atoms;
    const int64_t widths[] = {atoms.nloc, 3 * atoms.nall, 9, 9 * atoms.nall, atoms.nloc};
    F** const outputs[] = {&call->atom_energy, &call->force, &call->virial, &call->atom_virial,
                           &call->distance};
    for (int k = 0; k < context->num_outputs(); ++k) {
      Tensor* tensor;
      if (k == kDistance && !context->output_required(k)) continue;
      TF_RETURN_IF_ERROR(
          context->allocate_output(k, TensorShape({atoms.nframes, widths[k]}), &tensor));
      *outputs[k] = tensor->flat<F>().data();
    }
    return absl::OkStatus();
  }

  float rcut_;
  float rcut_smth_;
  int64_t width_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_TABULATED_POTENTIAL_OP_H_
