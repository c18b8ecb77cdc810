// The fitting nets of an operation in the form that the kernels want.
#ifndef DEEPATTN_OPS_TF_PACKED_NETS_H_
#define DEEPATTN_OPS_TF_PACKED_NETS_H_

#include <memory>
#include <mutex>
#include <vector>

#include "kernels/cpu/tabulated_potential.h"
#include "launch.h"

namespace deepattn {

// The nets of the last call, packed. It holds the tensors, so what is at their addresses does not
// change.
template <typename T>
class NetCache {
 public:
  struct Packed {
    std::vector<const PackedFittingNet*> nets;

    ~Packed() {
      for (const PackedFittingNet* net : nets) {
        deepattn_free_fitting_net(const_cast<PackedFittingNet*>(net));
      }
    }
  };
  using Pointer = std::shared_ptr<const Packed>;

  absl::Status Get(const std::vector<tensorflow::Tensor>& weights,
                   const std::vector<FittingNet<T>>& nets, int64_t axis, Pointer* packed) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (packed_ == nullptr || !IsOf(weights) ||
        !deepattn_is_fitting_net_current(packed_->nets[0])) {
      auto made = std::make_shared<Packed>();
      for (const FittingNet<T>& net : nets) {
        deepattn_status status = {DEEPATTN_OK, ""};
        const PackedFittingNet* one = Pick<T>(deepattn_pack_fitting_net_f32,
                                              deepattn_pack_fitting_net_f64)(&net, axis, &status);
        TF_RETURN_IF_ERROR(ToStatus(status));
        made->nets.push_back(one);
      }
      packed_ = made;
      weights_ = weights;
    }
    *packed = packed_;
    return absl::OkStatus();
  }

 private:
  bool IsOf(const std::vector<tensorflow::Tensor>& weights) const {
    for (size_t k = 0; k < weights.size(); ++k) {
      if (weights[k].data() != weights_[k].data() || weights[k].shape() != weights_[k].shape()) {
        return false;
      }
    }
    return true;
  }

  std::mutex mutex_;
  std::vector<tensorflow::Tensor> weights_;
  Pointer packed_;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_PACKED_NETS_H_
