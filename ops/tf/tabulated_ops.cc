// DeepattnTabulatedContraction and DeepattnTabulatedEmbedding, with their gradients.
#include "op_def.h"
#include "tabulated_own_op.h"

namespace deepattn {
namespace {

// table [ntables, nrows, 6, stride], table_info [6], rows [natoms, nnei], weight [natoms, nnei] or
// [0], index [natoms, nnei], factors [nfactors, stride].
OpDef WithInputs(const char* name) {
  OpDef op(name);
  op.Attr("T: {float, double}").Attr("width: int >= 1");
  op.Input("table: T").Input("table_info: T").Input("rows: T").Input("weight: T");
  op.Input("index: int32").Input("factors: T");
  return op;
}

// The output is [natoms, 4, width] or [natoms, nnei, width].
absl::Status SetOutputShape(InferenceContext* c, bool contracted) {
  int64_t width;
  TF_RETURN_IF_ERROR(c->GetAttr("width", &width));
  ShapeHandle rows;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(kRows), 2, &rows));
  c->set_output(
      0, c->MakeShape({c->Dim(rows, 0), contracted ? c->MakeDim(4) : c->Dim(rows, 1), width}));
  return absl::OkStatus();
}

[[maybe_unused]] const InitOnStartupMarker kRegistered[] = {
    WithInputs("DeepattnTabulatedEmbedding")
        .Output("output: T")
        .SetShapeFn([](InferenceContext* c) { return SetOutputShape(c, false); })(),
    WithInputs("DeepattnTabulatedContraction")
        .Input("matrix: T")
        .Output("output: T")
        .SetShapeFn([](InferenceContext* c) { return SetOutputShape(c, true); })(),
    WithInputs("DeepattnTabulatedEmbeddingGrad")
        .Input("grad: T")
        .Output("out_rows: T")
        .Output("out_weight: T")
        .SetShapeFn([](InferenceContext* c) -> absl::Status {
          SetShapesLike(c, 0, kRows, 2);
          return absl::OkStatus();
        })(),
    WithInputs("DeepattnTabulatedContractionGrad")
        .Input("matrix: T")
        .Input("grad: T")
        .Output("out_rows: T")
        .Output("out_weight: T")
        .Output("out_matrix: T")
        .SetShapeFn([](InferenceContext* c) -> absl::Status {
          SetShapesLike(c, 0, kRows, 2);
          SetShapesLike(c, 2, kMore, 1);
          return absl::OkStatus();
        })(),
};

#define DEEPATTN_REGISTER_ALL(T)                                                               \
  DEEPATTN_REGISTER("DeepattnTabulatedEmbedding", T, TabulatedOwnOp<T, false, kForward>);      \
  DEEPATTN_REGISTER("DeepattnTabulatedEmbeddingGrad", T, TabulatedOwnOp<T, false, kBackward>); \
  DEEPATTN_REGISTER("DeepattnTabulatedContraction", T, TabulatedOwnOp<T, true, kForward>);     \
  DEEPATTN_REGISTER("DeepattnTabulatedContractionGrad", T, TabulatedOwnOp<T, true, kBackward>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
