// The product of two matrices.
#include "kernels/cpu/product.h"
#include "pass_op.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

REGISTER_OP("DeepattnProduct")
    .Attr("T: {float, double}")
    .Attr("transpose_a: bool = false")
    .Attr("transpose_b: bool = false")
    .Input("a: T")
    .Input("b: T")
    .Output("product: T")
    .SetShapeFn(tensorflow::shape_inference::MatMulShape);

template <typename T>
class ProductOp : public tensorflow::OpKernel {
 public:
  explicit ProductOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("transpose_a", &transpose_a_));
    OP_REQUIRES_OK(context, context->GetAttr("transpose_b", &transpose_b_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& a = context->input(0);
    const Tensor& b = context->input(1);
    OP_REQUIRES_OK(context, RequireShape("a", a, {kAny, kAny}));
    const int64_t m = a.dim_size(transpose_a_), k = a.dim_size(!transpose_a_);
    OP_REQUIRES_OK(context,
                   RequireShape("b", b, {transpose_b_ ? kAny : k, transpose_b_ ? k : kAny}));
    const deepattn_product_shape shape = {m, b.dim_size(!transpose_b_), k, transpose_a_,
                                          transpose_b_};
    Tensor* product;
    OP_REQUIRES_OK(context, context->allocate_output(0, {shape.m, shape.n}, &product));
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<T>(deepattn_product_f32, deepattn_product_f64)(
        &shape, a.flat<T>().data(), b.flat<T>().data(), product->flat<T>().data(), &threads,
        &status);
    OP_REQUIRES_OK(context, ToStatus(status));
  }

 private:
  bool transpose_a_;
  bool transpose_b_;
};

DEEPATTN_REGISTER("DeepattnProduct", float, ProductOp<float>);
DEEPATTN_REGISTER("DeepattnProduct", double, ProductOp<double>);

}  // namespace
}  // namespace deepattn
