// DeepattnNeighborSums, its gradient, and the gradient's gradient.
#include "kernels/cpu/neighbor_sums.h"
#include "op_def.h"
#include "pass_op.h"

namespace deepattn {
namespace {

// Places of the inputs; all ops begin with the same ones. An index, factors or vectors that do not
// exist have no elements.
enum NeighborSumsInput {
  kFeatures,
  kIndex,
  kWeight,
  kFactors,
  kVectors,
  kGradConvolution,  // of the gradients, as the next
  kGradMoments,
  kGradGrads,  // of the gradient's gradient: by features, weight, factors and vectors
};

template <typename T, int pass>
class NeighborSumsOp : public PassOp<T, NeighborSumsCall<T>> {
 public:
  using Call = NeighborSumsCall<T>;
  using PassOp<T, Call>::PassOp;

 protected:
  absl::Status ReadInputs(OpKernelContext* context, Call* call) const override {
    const Tensor& features = context->input(kFeatures);
    const Tensor& weight = context->input(kWeight);
    TF_RETURN_IF_ERROR(RequireShape("features", features, {kAny, kAny}));
    TF_RETURN_IF_ERROR(RequireShape("weight", weight, {kAny, kAny}));
    const int64_t natoms = weight.dim_size(0), nnei = weight.dim_size(1);
    const int64_t nsources = features.dim_size(0), width = features.dim_size(1);
    const bool indexed = Exists(context, kIndex);
    if (indexed) {
      TF_RETURN_IF_ERROR(RequireShape("index", context->input(kIndex), {natoms, nnei}));
    } else if (nsources != natoms * nnei) {
      return InvalidArgument("without an index there must be a row of features for each of ",
                             natoms * nnei, " slots, not ", nsources);
    }
    const bool convolves = Exists(context, kFactors), turns = Exists(context, kVectors);
    if (natoms * nnei * width > 0 && !convolves && !turns) {
      return InvalidArgument("there must be factors, vectors or both");
    }
    if (convolves) {
      TF_RETURN_IF_ERROR(RequireShape("factors", context->input(kFactors), {natoms, nnei, width}));
    }
    if (turns) {
      TF_RETURN_IF_ERROR(RequireShape("vectors", context->input(kVectors), {natoms, nnei, kAny}));
    }
    const Tensor& vectors = context->input(kVectors);
    const int64_t columns = vectors.dims() == 3 ? vectors.dim_size(2) : 0;
    if (columns < 1 || columns > kMostVectorColumns) {
      return InvalidArgument("vectors must have 1 to ", kMostVectorColumns, " columns, not ",
                             columns);
    }
    call->shape = {natoms, nnei, width, nsources, columns};
    call->features = this->Data(context, kFeatures);
    call->index = indexed ? context->input(kIndex).flat<int32_t>().data() : nullptr;
    call->weight = this->Data(context, kWeight);
    call->factors = OptionalData(context, kFactors);
    call->vectors = OptionalData(context, kVectors);
    if (pass == kForward) return absl::OkStatus();
    TF_RETURN_IF_ERROR(RequireShape("grad_convolution", context->input(kGradConvolution),
                                    {convolves ? natoms : 0, width}));
    TF_RETURN_IF_ERROR(RequireShape("grad_moments", context->input(kGradMoments),
                                    {turns ? natoms : 0, columns, width}));
    call->grad_convolution = this->Data(context, kGradConvolution);
    call->grad_moments = this->Data(context, kGradMoments);
    if (pass == kBackward) return absl::OkStatus();
    const T** const places[] = {&call->grad_grad_features, &call->grad_grad_weight,
                                &call->grad_grad_factors, &call->grad_grad_vectors};
    for (int k = 0; k < 4; ++k) {
      const Tensor& tangent = context->input(kGradGrads + k);
      if (tangent.shape() != context->input(kSources[k]).shape()) {
        return InvalidArgument(kNames[k], " must have the shape of its input, not ",
                               tangent.shape().DebugString());
      }
      *places[k] = this->Data(context, kGradGrads + k);
    }
    return absl::OkStatus();
  }

  absl::Status AllocateOutputs(OpKernelContext* context, Call* call, NoSums*) const override {
    const auto& shape = call->shape;
    const int64_t sums = call->factors == nullptr ? 0 : shape.natoms;
    const int64_t moments = call->vectors == nullptr ? 0 : shape.natoms;
    int output = 0;
    if (pass != kBackward) {
      T** const places[] = {pass == kForward ? &call->convolution : &call->grad_grad_convolution,
                            pass == kForward ? &call->moments : &call->grad_grad_moments};
      TF_RETURN_IF_ERROR(this->Allocate(context, output++, {sums, shape.width}, places[0]));
      TF_RETURN_IF_ERROR(
          this->Allocate(context, output++, {moments, shape.columns, shape.width}, places[1]));
    }
    if (pass == kForward) return absl::OkStatus();
    T** const places[] = {&call->grad_features, &call->grad_weight, &call->grad_factors,
                          &call->grad_vectors};
    for (int k = 0; k < 4; ++k) {
      TF_RETURN_IF_ERROR(this->AllocateLike(context, output++, kSources[k], places[k]));
    }
    return absl::OkStatus();
  }

  void Run(const Call& call, const deepattn_threads& threads,
           deepattn_status* status) const override {
    Pick<T>(deepattn_neighbor_sums_f32, deepattn_neighbor_sums_f64)(&call, pass, &threads, status);
  }

 private:
  // What has gradients.
  static constexpr int kSources[] = {kFeatures, kWeight, kFactors, kVectors};
  static constexpr const char* kNames[] = {"bar_features", "bar_weight", "bar_factors",
                                           "bar_vectors"};

  static bool Exists(OpKernelContext* context, int input) {
    return context->input(input).NumElements() > 0;
  }

  static const T* OptionalData(OpKernelContext* context, int input) {
    return Exists(context, input) ? PassOp<T, Call>::Data(context, input) : nullptr;
  }
};

OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double}");
  op.Input("features: T").Input("index: int32").Input("weight: T");
  op.Input("factors: T").Input("vectors: T");
  return op;
}

void AddGradientOutputs(OpDef* op) {
  op->Output("out_features: T").Output("out_weight: T");
  op->Output("out_factors: T").Output("out_vectors: T");
}

// Outputs number `first` and on: the gradients.
void SetGradientShapes(InferenceContext* c, int first) {
  SetShapesLike(c, first, kFeatures, 1);
  SetShapesLike(c, first + 1, kWeight, 3);
}

InitOnStartupMarker RegisterForward() {
  return WithInputs("DeepattnNeighborSums")
      .Output("convolution: T")
      .Output("moments: T")
      .SetShapeFn([](InferenceContext* c) -> absl::Status {
        ShapeHandle features, vectors;
        TF_RETURN_IF_ERROR(c->WithRank(c->input(kFeatures), 2, &features));
        TF_RETURN_IF_ERROR(c->WithRank(c->input(kVectors), 3, &vectors));
        const DimensionHandle unknown = c->UnknownDim(), width = c->Dim(features, 1);
        c->set_output(0, c->Matrix(unknown, width));
        c->set_output(1, c->MakeShape({c->UnknownDim(), c->Dim(vectors, 2), width}));
        return absl::OkStatus();
      })();
}

InitOnStartupMarker RegisterGrad() {
  OpDef op = WithInputs("DeepattnNeighborSumsGrad");
  op.Input("grad_convolution: T").Input("grad_moments: T");
  AddGradientOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    SetGradientShapes(c, 0);
    return absl::OkStatus();
  })();
}

InitOnStartupMarker RegisterGradGrad() {
  OpDef op = WithInputs("DeepattnNeighborSumsGradGrad");
  op.Input("grad_convolution: T").Input("grad_moments: T");
  op.Input("bar_features: T").Input("bar_weight: T");
  op.Input("bar_factors: T").Input("bar_vectors: T");
  op.Output("out_grad_convolution: T").Output("out_grad_moments: T");
  AddGradientOutputs(&op);
  return op.SetShapeFn([](InferenceContext* c) -> absl::Status {
    SetShapesLike(c, 0, kGradConvolution, 2);
    SetGradientShapes(c, 2);
    return absl::OkStatus();
  })();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    RegisterForward(),
    RegisterGrad(),
    RegisterGradGrad(),
};

#define DEEPATTN_REGISTER_ALL(T)                                                  \
  DEEPATTN_REGISTER("DeepattnNeighborSums", T, NeighborSumsOp<T, kForward>);      \
  DEEPATTN_REGISTER("DeepattnNeighborSumsGrad", T, NeighborSumsOp<T, kBackward>); \
  DEEPATTN_REGISTER("DeepattnNeighborSumsGradGrad", T, NeighborSumsOp<T, kDoubleBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
