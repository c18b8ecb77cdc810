// DeepattnSmoothPotential: energies of a model without attention and their derivative by the
// environment matrix; and its gradient by the weights.
#include "op_def.h"
#include "smooth_potential_op.h"

namespace deepattn {
namespace {

// keep is [ntypes, ntypes + 1] or [0]; factors and the offsets of frames and atoms may have no
// rows, time steps no elements. net_of_pair has the number of an embedding net, negative for none.
OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("F: {float, double}").Attr("T: {float, double}");
  op.Attr("nnets: int >= 1").Attr("nmatrices: int >= 0");
  op.Attr("nfittings: int >= 1").Attr("nhidden: int >= 1");
  op.Input("matrix: F").Input("rij: F").Input("nlist: int32").Input("ntype: int32");
  op.Input("type: int32").Input("davg: F").Input("dstd: F").Input("keep: F");
  op.Input("switch_range: F").Input("count: T").Input("type_energy: F");
  op.Input("offset: T").Input("factors: T").Input("scales: nnets * T");
  op.Input("matrices: nmatrices * T").Input("biases: nmatrices * T").Input("steps: nmatrices * T");
  op.Input("type_offset: T").Input("frame_offset: T").Input("atom_offset: T");
  op.Input("fitting_matrices: nhidden * T").Input("fitting_biases: nhidden * T");
  op.Input("fitting_steps: nhidden * T");
  op.Input("last_matrices: nfittings * T").Input("last_biases: nfittings * T");
  op.Attr("sel: list(int) >= 1").Attr("empty_types: list(int) >= 1");
  op.Attr("net_of_pair: list(int) >= 1").Attr("axis: int >= 1").Attr("sees_center: bool");
  op.Attr("switch: {'none', 'inverse', 'distance'}").Attr("excluded_is_average: bool");
  op.Attr("keeps_empty: bool").Attr("copies: list(int)");
  return op;
}

constexpr int kMatrix = 0, kType = 4, kFirstWeight = 10;

InitOnStartupMarker RegisterForward() {
  // Without `with_descriptor` the descriptor has no elements.
  return WithInputs("DeepattnSmoothPotential")
      .Attr("with_descriptor: bool = false")
      .Output("atom_energy: F")
      .Output("derivative: F")
      .Output("descriptor: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        bool with_descriptor;
        TF_RETURN_IF_ERROR(c->GetAttr("with_descriptor", &with_descriptor));
        c->set_output(0, c->input(kType));
        c->set_output(1, c->input(kMatrix));
        c->set_output(2, with_descriptor ? c->UnknownShapeOfRank(2) : c->Vector(0));
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterGrad() {
  OpDef op = WithInputs("DeepattnSmoothPotentialGrad");
  op.Input("grad_energy: F").Input("grad_derivative: F");
  op.Output("out_type_energy: F").Output("out_offset: T").Output("out_factors: T");
  op.Output("out_scales: nnets * T").Output("out_matrices: nmatrices * T");
  op.Output("out_biases: nmatrices * T").Output("out_steps: nmatrices * T");
  op.Output("out_type_offset: T").Output("out_frame_offset: T").Output("out_atom_offset: T");
  op.Output("out_fitting_matrices: nhidden * T").Output("out_fitting_biases: nhidden * T");
  op.Output("out_fitting_steps: nhidden * T").Output("out_last_matrices: nfittings * T");
  op.Output("out_last_biases: nfittings * T");
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    SetShapesLike(c, 0, kFirstWeight, c->num_outputs());
    return absl::OkStatus();
  })();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {RegisterForward(), RegisterGrad()};

template <typename F, typename T>
class ForwardOp : public SmoothPotentialOp<F, T> {
 public:
  explicit ForwardOp(OpKernelConstruction* context) : SmoothPotentialOp<F, T>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("with_descriptor", &with_descriptor_));
  }

  void Compute(OpKernelContext* context) override {
    SmoothPotentialCall<F, T> call = {};
    typename SmoothPotentialOp<F, T>::Nets nets;
    OP_REQUIRES_OK(context, this->ReadInputs(context, &call, &nets));
    // What a graph does not take is not made.
    SmoothPotentialResult<F, T> result = {};
    Tensor* tensor;
    if (context->output_required(0) || context->output_required(1)) {
      OP_REQUIRES_OK(context, context->allocate_output(0, context->input(kType).shape(), &tensor));
      result.atom_energy = tensor->flat<F>().data();
      OP_REQUIRES_OK(context,
                     context->allocate_output(1, context->input(kMatrix).shape(), &tensor));
      result.derivative = tensor->flat<F>().data();
    }
    if (!with_descriptor_) {
      OP_REQUIRES_OK(context, context->allocate_output(2, TensorShape({0}), &tensor));
    } else if (context->output_required(2)) {
      const EmbeddingNets<T>& nets = call.embedding;
      const TensorShape shape({call.nframes, call.nloc * nets.width[nets.nlayers - 1] * call.axis});
      OP_REQUIRES_OK(context, context->allocate_output(2, shape, &tensor));
      result.descriptor = tensor->flat<T>().data();
    }
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<F, T>(deepattn_smooth_potential_f32, deepattn_smooth_potential_f64,
               deepattn_smooth_potential_mixed)(&call, &result, &threads, &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  bool with_descriptor_;
};

template <typename F, typename T>
class GradOp : public SmoothPotentialOp<F, T> {
 public:
  using SmoothPotentialOp<F, T>::SmoothPotentialOp;

  void Compute(OpKernelContext* context) override {
    SmoothPotentialCall<F, T> call = {};
    typename SmoothPotentialOp<F, T>::Nets nets;
    OP_REQUIRES_OK(context, this->ReadInputs(context, &call, &nets));
    SmoothPotentialGradients<F, T> out = {};
    const int64_t nframes = call.nframes, nloc = call.nloc;
    OP_REQUIRES_OK(context, this->Read(context, "grad_energy", {nframes, nloc}, &out.grad_energy));
    OP_REQUIRES_OK(context, this->Read(context, "grad_derivative", {nframes, nloc * call.nnei * 4},
                                       &out.grad_derivative));
    // Outputs are gradients by the inputs from number kFirstWeight on.
    const int count = context->num_outputs();
    std::vector<T*> data(count, nullptr);
    for (int k = 0; k < count; ++k) {
      Tensor* tensor;
      const TensorShape& shape = context->input(kFirstWeight + k).shape();
      OP_REQUIRES_OK(context, context->allocate_output(k, shape, &tensor));
      if (k == 0) {
        out.type_energy = tensor->flat<F>().data();
      } else if (tensor->NumElements() > 0) {
        data[k] = tensor->flat<T>().data();
      }
    }
    std::vector<FittingGradients<T>> fitting(call.nnets);
    Spread(call, data.data() + 1, &out, &fitting);
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<F, T>(deepattn_smooth_potential_grad_f32, deepattn_smooth_potential_grad_f64,
               deepattn_smooth_potential_grad_mixed)(&call, &out, &threads, &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  // Sets the places of gradients, given in the order of the outputs.
  static void Spread(const SmoothPotentialCall<F, T>& call, T** data,
                     SmoothPotentialGradients<F, T>* out,
                     std::vector<FittingGradients<T>>* fitting) {
    const int64_t matrices = call.embedding.nnets * (call.embedding.nlayers - 1);
    T* const offset = *data++;
    T* const factors = *data++;
    T** const scales = data;
    data += call.embedding.nnets;
    out->embedding = {scales, offset, factors, data, data + matrices, data + 2 * matrices};
    data += 3 * matrices;
    out->type_offset = *data++;
    out->frame_offset = *data++;
    out->atom_offset = *data++;
    const int64_t nnets = call.nnets, nhidden = call.nets[0].nhidden;
    for (int64_t n = 0; n < nnets; ++n) {
      FittingGradients<T>& net = (*fitting)[n];
      for (int64_t k = 0; k < nhidden; ++k) {
        net.matrix[k] = data[n * nhidden + k];
        net.bias[k] = data[(nnets + n) * nhidden + k];
        net.step[k] = data[(2 * nnets + n) * nhidden + k];
      }
      net.last_matrix = data[3 * nnets * nhidden + n];
      net.last_bias = data[3 * nnets * nhidden + nnets + n];
    }
    out->nets = fitting->data();
  }
};

#define DEEPATTN_REGISTER_SMOOTH(name, F, T, op)                                               \
  REGISTER_KERNEL_BUILDER(                                                                     \
      Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<F>("F").TypeConstraint<T>("T"), \
      op<F, T>)
#define DEEPATTN_REGISTER_BOTH(F, T)                                    \
  DEEPATTN_REGISTER_SMOOTH("DeepattnSmoothPotential", F, T, ForwardOp); \
  DEEPATTN_REGISTER_SMOOTH("DeepattnSmoothPotentialGrad", F, T, GradOp)

DEEPATTN_REGISTER_BOTH(float, float);
DEEPATTN_REGISTER_BOTH(double, double);
DEEPATTN_REGISTER_BOTH(double, float);
#undef DEEPATTN_REGISTER_BOTH
#undef DEEPATTN_REGISTER_SMOOTH

}  // namespace
}  // namespace deepattn
