// What the shape functions share. An array of nloc · nnei · k numbers a frame is [nframes, that].
#ifndef DEEPATTN_OPS_TF_SHAPES_H_
#define DEEPATTN_OPS_TF_SHAPES_H_

#include "absl/status/status.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace deepattn {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// nloc and nall, as far as the graph knows the values of natoms.
inline absl::Status CountDims(InferenceContext* c, int natoms_input, DimensionHandle* nloc,
                              DimensionHandle* nall) {
  ShapeHandle natoms, values;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(natoms_input), 1, &natoms));
  *nloc = *nall = c->UnknownDim();
  TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(natoms_input, &values));
  if (c->RankKnown(values) && c->Rank(values) >= 3) {
    *nloc = c->Dim(values, 0);
    *nall = c->Dim(values, 1);
  }
  return absl::OkStatus();
}

// Output `index` is [nframes, count · width].
inline absl::Status SetRows(InferenceContext* c, int index, DimensionHandle nframes,
                            DimensionHandle count, int64_t width) {
  DimensionHandle size;
  TF_RETURN_IF_ERROR(c->Multiply(count, width, &size));
  c->set_output(index, c->Matrix(nframes, size));
  return absl::OkStatus();
}

// Outputs number `first` and on have the shapes of `number` inputs beginning with `input`.
inline void SetShapesLike(InferenceContext* c, int first, int input, int number) {
  for (int k = 0; k < number; ++k) c->set_output(first + k, c->input(input + k));
}

// The frames of a matrix input.
inline absl::Status FrameDim(InferenceContext* c, int input, DimensionHandle* nframes) {
  ShapeHandle matrix;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(input), 2, &matrix));
  *nframes = c->Dim(matrix, 0);
  return absl::OkStatus();
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_SHAPES_H_
