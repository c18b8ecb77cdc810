// The inputs of DeepattnSmoothPotential and its gradient, checked.
#ifndef DEEPATTN_OPS_TF_SMOOTH_POTENTIAL_OP_H_
#define DEEPATTN_OPS_TF_SMOOTH_POTENTIAL_OP_H_

#include <vector>

#include "kernels/cpu/smooth_potential.h"
#include "launch.h"
#include "potential_op.h"

namespace deepattn {

// The base of both ops. F is the type of the environment matrix and of energies, T that of the
// nets.
template <typename F, typename T>
class SmoothPotentialOp : public PotentialOp {
 public:
  explicit SmoothPotentialOp(OpKernelConstruction* context) : PotentialOp(context) {
    OP_REQUIRES_OK(context, context->GetAttr("empty_types", &empty_types_));
    OP_REQUIRES_OK(context, context->GetAttr("net_of_pair", &net_of_pair_));
    OP_REQUIRES_OK(context, context->GetAttr("keeps_empty", &keeps_empty_));
    OP_REQUIRES(context, sel_.size() == empty_types_.size(),
                InvalidArgument("sel has ", sel_.size(), " blocks of slots, but empty_types ",
                                empty_types_.size()));
  }

 protected:
  // What the call points to.
  struct Nets {
    std::vector<const T*> scale, matrix, bias, step;
    std::vector<FittingNet<T>> fitting;
  };

  absl::Status ReadInputs(OpKernelContext* context, SmoothPotentialCall<F, T>* call,
                          Nets* nets) const {
    TF_RETURN_IF_ERROR(ReadAtoms(context, call));
    TF_RETURN_IF_ERROR(ReadEmbedding(context, call, nets));
    return ReadFitting(context, call, nets);
  }

 private:
  absl::Status ReadAtoms(OpKernelContext* context, SmoothPotentialCall<F, T>* call) const {
    const Tensor &atype = Input(context, "type"), &davg = Input(context, "davg");
    TF_RETURN_IF_ERROR(RequireShape("type", atype, {kAny, kAny}));
    TF_RETURN_IF_ERROR(RequireShape("davg", davg, {kAny, 4 * nnei_}));
    call->nframes = atype.dim_size(0);
    call->nloc = atype.dim_size(1);
    call->nnei = nnei_;
    call->ntypes = static_cast<int32_t>(davg.dim_size(0));
    TF_RETURN_IF_ERROR(RequireIndexable(call->nframes, call->nloc, nnei_));
    call->atype = atype.flat<int32_t>().data();
    call->davg = davg.flat<F>().data();
    const int64_t nframes = call->nframes, slots = call->nloc * nnei_, ntypes = call->ntypes;
    TF_RETURN_IF_ERROR(Read(context, "matrix", {nframes, 4 * slots}, &call->matrix));
    TF_RETURN_IF_ERROR(Read(context, "rij", {nframes, 3 * slots}, &call->rij));
    TF_RETURN_IF_ERROR(Read(context, "nlist", {nframes, slots}, &call->nlist));
    TF_RETURN_IF_ERROR(Read(context, "ntype", {nframes, slots}, &call->ntype));
    TF_RETURN_IF_ERROR(Read(context, "dstd", {ntypes, 4 * nnei_}, &call->dstd));
    TF_RETURN_IF_ERROR(ReadOptional(context, "keep", {ntypes, ntypes + 1}, &call->keep));
    TF_RETURN_IF_ERROR(Read(context, "switch_range", {2}, &call->switch_range));
    TF_RETURN_IF_ERROR(Read(context, "type_energy", {ntypes}, &call->type_energy));
    for (const int32_t type : empty_types_) {
      if (type < 0 || type > ntypes) {
        return InvalidArgument("empty_types has ", type, ", but there are ", ntypes, " types");
      }
    }
    call->excluded_is_average = excluded_is_average_;
    call->nblocks = sel_.size();
    call->block_size = sel_.data();
    call->block_type = empty_types_.data();
    call->keeps_empty = keeps_empty_;
    call->sees_center = sees_center_;
    call->switch_kind = switch_;
    return absl::OkStatus();
  }

  absl::Status ReadEmbedding(OpKernelContext* context, SmoothPotentialCall<F, T>* call,
                             Nets* nets) const {
    OpInputList scales, matrices, biases, steps;
    TF_RETURN_IF_ERROR(context->input_list("scales", &scales));
    TF_RETURN_IF_ERROR(context->input_list("matrices", &matrices));
    TF_RETURN_IF_ERROR(context->input_list("biases", &biases));
    TF_RETURN_IF_ERROR(context->input_list("steps", &steps));
    EmbeddingNets<T>& to = call->embedding;
    to.nnets = scales.size();
    const int64_t others = matrices.size() / to.nnets;
    to.nlayers = others + 1;
    if (others * to.nnets != matrices.size() || to.nlayers > kMostHidden) {
      return InvalidArgument("embedding nets must have equally many layers, at most ", kMostHidden,
                             ", not ", to.nnets, " nets of ", matrices.size(), " matrices");
    }
    to.npairs = (sees_center_ ? call->ntypes : 1) * (call->ntypes + 1);
    if (static_cast<int64_t>(net_of_pair_.size()) != to.npairs) {
      return InvalidArgument("net_of_pair has ", net_of_pair_.size(), " entries for ", to.npairs,
                             " pairs of types");
    }
    for (const int32_t net : net_of_pair_) {
      if (net >= to.nnets) {
        return InvalidArgument("net_of_pair has ", net, ", but there are ", to.nnets, " nets");
      }
    }
    to.net = net_of_pair_.data();
    to.width[0] = scales[0].NumElements();
    for (int64_t n = 0; n < to.nnets; ++n) {
      TF_RETURN_IF_ERROR(RequireShape("a scale", scales[n], {to.width[0]}));
      nets->scale.push_back(scales[n].template flat<T>().data());
      for (int64_t k = 1; k <= others; ++k) {
        const int64_t at = n * others + k - 1;
        TF_RETURN_IF_ERROR(RequireShape("a matrix of an embedding net", matrices[at],
                                        {to.width[k - 1], n == 0 ? kAny : to.width[k]}));
        to.width[k] = matrices[at].dim_size(1);
        TF_RETURN_IF_ERROR(RequireShape("a bias of an embedding net", biases[at], {to.width[k]}));
        const bool has_step = steps[at].NumElements() > 0;
        if (has_step) {
          TF_RETURN_IF_ERROR(
              RequireShape("a time step of an embedding net", steps[at], {to.width[k]}));
        }
        nets->matrix.push_back(matrices[at].template flat<T>().data());
        nets->bias.push_back(biases[at].template flat<T>().data());
        nets->step.push_back(has_step ? steps[at].template flat<T>().data() : nullptr);
      }
    }
    for (int64_t k = 0; k <= others; ++k) {
      if (to.width[k] < 1) return InvalidArgument("layers must be at least 1 wide, not 0");
    }
    const int64_t width = to.width[others];
    if (axis_ > width) {
      return InvalidArgument("axis must not be above width, not ", axis_, " and ", width);
    }
    call->axis = axis_;
    to.scale = nets->scale.data();
    to.matrix = nets->matrix.data();
    to.bias = nets->bias.data();
    to.step = nets->step.data();
    const T* count;
    TF_RETURN_IF_ERROR(Read(context, "count", {}, &count));
    call->count = *count;
    TF_RETURN_IF_ERROR(Read(context, "offset", {to.npairs, to.width[0]}, &to.offset));
    return ReadOptional(context, "factors", {to.npairs, width}, &to.factors);
  }

  absl::Status ReadFitting(OpKernelContext* context, SmoothPotentialCall<F, T>* call,
                           Nets* nets) const {
    OpInputList lists[3], last_matrices, last_biases;
    const char* const names[] = {"fitting_matrices", "fitting_biases", "fitting_steps"};
    for (int k = 0; k < 3; ++k) TF_RETURN_IF_ERROR(context->input_list(names[k], &lists[k]));
    TF_RETURN_IF_ERROR(context->input_list("last_matrices", &last_matrices));
    TF_RETURN_IF_ERROR(context->input_list("last_biases", &last_biases));
    const int64_t nnets = last_matrices.size(), nhidden = lists[0].size() / nnets;
    if (nhidden * nnets != lists[0].size() || nhidden > kMostHidden ||
        static_cast<int64_t>(copies_.size()) != nhidden || (nnets != 1 && nnets != call->ntypes)) {
      return InvalidArgument("there must be one net or one for each type, of at most ", kMostHidden,
                             " hidden layers with their copies, not ", nnets, " of ",
                             lists[0].size(), " matrices and ", copies_.size(), " copies");
    }
    const EmbeddingNets<T>& embedding = call->embedding;
    const int64_t input = embedding.width[embedding.nlayers - 1] * axis_;
    nets->fitting.resize(nnets);
    for (int64_t n = 0; n < nnets; ++n) {
      std::vector<Tensor> parts[3];
      for (int part = 0; part < 3; ++part) {
        for (int64_t k = 0; k < nhidden; ++k) parts[part].push_back(lists[part][n * nhidden + k]);
      }
      FittingNet<T>& net = nets->fitting[n];
      TF_RETURN_IF_ERROR(ReadFittingNet(input, copies_, parts[0], parts[1], parts[2],
                                        last_matrices[n], last_biases[n], &net));
      for (int64_t k = 0; k < nhidden; ++k) {
        const int64_t first = nets->fitting[0].width[k];
        if (net.width[k] != first) {
          return InvalidArgument("the nets of all types must be equally wide, not ", first, " and ",
                                 net.width[k], " in layer ", k);
        }
      }
    }
    call->nnets = nnets;
    call->nets = nets->fitting.data();
    const int64_t first = nets->fitting[0].width[0];
    TF_RETURN_IF_ERROR(Read(context, "type_offset", {call->ntypes, first}, &call->type_offset));
    TF_RETURN_IF_ERROR(
        ReadOptional(context, "frame_offset", {call->nframes, first}, &call->frame_offset));
    return ReadOptional(context, "atom_offset", {call->nframes * call->nloc, first},
                        &call->atom_offset);
  }

  std::vector<int32_t> empty_types_;
  std::vector<int32_t> net_of_pair_;
  bool keeps_empty_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_SMOOTH_POTENTIAL_OP_H_
