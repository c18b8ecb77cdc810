// DeepattnTabulatedPotential: energies, forces and virials of a compressed model in one operation.
#include "tabulated_potential_op.h"

#include "packed_nets.h"
#include "shapes.h"
#include "tensorflow/core/framework/op.h"

namespace deepattn {
namespace {

// F is the type of coordinates and forces, T that of tables and nets. keep is [ntypes, ntypes + 1]
// or [0], switch_range where the switch begins and ends; of the offsets the last two may have no
// rows. A basis [width · axis, n], with origins [ntypes, n] and roots [ntypes, n, n], is for the
// distance of the descriptors from others; it is computed where something takes it.
REGISTER_OP("DeepattnTabulatedPotential")
    .Attr("F: {float, double}")
    .Attr("T: {float, double}")
    .Attr("nnets: int >= 1")
    .Attr("nmatrices: int >= 1")
    .Attr("nbases: int >= 0 = 0")
    .Input("coord: F")
    .Input("type: int32")
    .Input("natoms: int32")
    .Input("box: F")
    .Input("mesh: int32")
    .Input("davg: F")
    .Input("dstd: F")
    .Input("keep: F")
    .Input("switch_range: F")
    .Input("table: T")
    .Input("table_info: T")
    .Input("factors: T")
    .Input("count: T")
    .Input("type_offset: T")
    .Input("frame_offset: T")
    .Input("atom_offset: T")
    .Input("matrices: nmatrices * T")
    .Input("biases: nmatrices * T")
    .Input("steps: nmatrices * T")
    .Input("last_matrices: nnets * T")
    .Input("last_biases: nnets * T")
    .Input("basis: nbases * T")
    .Input("origin: nbases * T")
    .Input("root: nbases * T")
    .Attr("rcut: float")
    .Attr("rcut_smth: float")
    .Attr("sel: list(int) >= 1")
    .Attr("width: int >= 1")
    .Attr("axis: int >= 1")
    .Attr("sees_center: bool")
    .Attr("switch: {'none', 'inverse', 'distance'}")
    .Attr("excluded_is_average: bool")
    .Attr("copies: list(int)")
    .Output("atom_energy: F")
    .Output("force: F")
    .Output("virial: F")
    .Output("atom_virial: F")
    .Output("distance: nbases * F")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      DimensionHandle nframes, nloc, nall;
      TF_RETURN_IF_ERROR(FrameDim(c, 0, &nframes));
      TF_RETURN_IF_ERROR(CountDims(c, 2, &nloc, &nall));
      TF_RETURN_IF_ERROR(SetRows(c, 0, nframes, nloc, 1));
      TF_RETURN_IF_ERROR(SetRows(c, 1, nframes, nall, 3));
      c->set_output(2, c->Matrix(nframes, 9));
      for (int k = kDistance; k < c->num_outputs(); ++k) {
        TF_RETURN_IF_ERROR(SetRows(c, k, nframes, nloc, 1));
      }
      return SetRows(c, 3, nframes, nall, 9);
    });

template <typename F, typename T>
class TabulatedPotentialCpuOp : public TabulatedPotentialOp<F, T> {
 public:
  using TabulatedPotentialOp<F, T>::TabulatedPotentialOp;

 protected:
  absl::Status Run(OpKernelContext* context, const PotentialInputs<F, T>& inputs) override {
    typename NetCache<T>::Pointer packed;
    TF_RETURN_IF_ERROR(cache_.Get(inputs.weights, inputs.nets, inputs.call.axis, &packed));
    const TabulatedPotentialCall<F, T> call = {inputs.call, inputs.mesh.source,
                                               packed->nets.data()};
    const deepattn_threads threads = ThreadsOf(context);
    deepattn_status status = {DEEPATTN_OK, ""};
    Pick<F, T>(deepattn_tabulated_potential_f32, deepattn_tabulated_potential_f64,
               deepattn_tabulated_potential_mixed)(&call, &threads, &status);
    return ToStatus(status);
  }

 private:
  NetCache<T> cache_;
};

#define DEEPATTN_REGISTER_POTENTIAL(F, T)                     \
  REGISTER_KERNEL_BUILDER(Name("DeepattnTabulatedPotential")  \
                              .Device(tensorflow::DEVICE_CPU) \
                              .TypeConstraint<F>("F")         \
                              .TypeConstraint<T>("T"),        \
                          TabulatedPotentialCpuOp<F, T>)

DEEPATTN_REGISTER_POTENTIAL(float, float);
DEEPATTN_REGISTER_POTENTIAL(double, double);
DEEPATTN_REGISTER_POTENTIAL(double, float);
#undef DEEPATTN_REGISTER_POTENTIAL

}  // namespace
}  // namespace deepattn
