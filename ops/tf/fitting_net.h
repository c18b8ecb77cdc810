// A fitting net among the inputs of an operation.
#ifndef DEEPATTN_OPS_TF_FITTING_NET_H_
#define DEEPATTN_OPS_TF_FITTING_NET_H_

#include <vector>

#include "kernels/cpu/tabulated_potential.h"
#include "launch.h"

namespace deepattn {

// Checks the shapes of a net of a descriptor `input` wide. The first bias has no elements, a
// missing time step neither.
template <typename T>
absl::Status ReadFittingNet(int64_t input, const std::vector<int64_t>& copies,
                            const std::vector<tensorflow::Tensor>& matrices,
                            const std::vector<tensorflow::Tensor>& biases,
                            const std::vector<tensorflow::Tensor>& steps,
                            const tensorflow::Tensor& last_matrix,
                            const tensorflow::Tensor& last_bias, FittingNet<T>* net) {
  net->input = input;
  net->nhidden = matrices.size();
  int64_t in = input;
  for (int64_t k = 0; k < net->nhidden; ++k) {
    TF_RETURN_IF_ERROR(RequireShape("a matrix", matrices[k], {in, kAny}));
    const int64_t out = matrices[k].dim_size(1);
    TF_RETURN_IF_ERROR(RequireShape("a bias", biases[k], {k == 0 ? 0 : out}));
    net->width[k] = out;
    net->copies[k] = copies[k];
    const bool adds = copies[k] == 0 || (k > 0 && copies[k] * in == out);
    if (copies[k] < 0 || copies[k] > 2 || !adds) {
      return tensorflow::errors::InvalidArgument("layer ", k, " of width ", out, " cannot add ",
                                                 copies[k], " copies of its input of width ", in);
    }
    net->matrix[k] = matrices[k].template flat<T>().data();
    net->bias[k] = k == 0 ? nullptr : biases[k].template flat<T>().data();
    net->step[k] = nullptr;
    if (steps[k].NumElements() > 0) {
      TF_RETURN_IF_ERROR(RequireShape("a time step", steps[k], {out}));
      net->step[k] = steps[k].template flat<T>().data();
    }
    in = out;
  }
  TF_RETURN_IF_ERROR(RequireShape("last_matrix", last_matrix, {in, 1}));
  TF_RETURN_IF_ERROR(RequireShape("last_bias", last_bias, {1}));
  net->last_matrix = last_matrix.template flat<T>().data();
  net->last_bias = last_bias.template flat<T>().data();
  return absl::OkStatus();
}

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_FITTING_NET_H_
