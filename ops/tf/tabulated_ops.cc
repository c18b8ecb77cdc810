// DeepattnTabulatedContraction and DeepattnTabulatedEmbedding, with their gradients.
#include "shapes.h"
#include "tabulated_own_op.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

#define DEEPATTN_TABULATED_INPUTS                               \
  Attr("T: {float, double}")                                    \
      .Attr("width: int >= 1")                                  \
      .Input("table: T")      /* [ntables, nrows, 6, stride] */ \
      .Input("table_info: T") /* [6] */                         \
      .Input("rows: T")       /* [natoms, nnei] */              \
      .Input("weight: T")     /* [natoms, nnei] or [0] */       \
      .Input("index: int32")  /* [natoms, nnei] */              \
      .Input("factors: T")    /* [nfactors, stride] */

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

REGISTER_OP("DeepattnTabulatedEmbedding")
    .DEEPATTN_TABULATED_INPUTS.Output("output: T")
    .SetShapeFn([](InferenceContext* c) { return SetOutputShape(c, false); });

REGISTER_OP("DeepattnTabulatedContraction")
    .DEEPATTN_TABULATED_INPUTS.Input("matrix: T")
    .Output("output: T")
    .SetShapeFn([](InferenceContext* c) { return SetOutputShape(c, true); });

REGISTER_OP("DeepattnTabulatedEmbeddingGrad")
    .DEEPATTN_TABULATED_INPUTS.Input("grad: T")
    .Output("out_rows: T")
    .Output("out_weight: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      SetShapesLike(c, 0, kRows, 2);
      return absl::OkStatus();
    });

REGISTER_OP("DeepattnTabulatedContractionGrad")
    .DEEPATTN_TABULATED_INPUTS.Input("matrix: T")
    .Input("grad: T")
    .Output("out_rows: T")
    .Output("out_weight: T")
    .Output("out_matrix: T")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      SetShapesLike(c, 0, kRows, 2);
      SetShapesLike(c, 2, kMore, 1);
      return absl::OkStatus();
    });

#undef DEEPATTN_TABULATED_INPUTS

#define DEEPATTN_REGISTER_ALL(T)                                                       \
  DEEPATTN_REGISTER("DeepattnTabulatedEmbedding", T, TabulatedOwnOp<T, false, 0>);     \
  DEEPATTN_REGISTER("DeepattnTabulatedEmbeddingGrad", T, TabulatedOwnOp<T, false, 1>); \
  DEEPATTN_REGISTER("DeepattnTabulatedContraction", T, TabulatedOwnOp<T, true, 0>);    \
  DEEPATTN_REGISTER("DeepattnTabulatedContractionGrad", T, TabulatedOwnOp<T, true, 1>)

DEEPATTN_REGISTER_ALL(float);
DEEPATTN_REGISTER_ALL(double);
#undef DEEPATTN_REGISTER_ALL

}  // namespace
}  // namespace deepattn
