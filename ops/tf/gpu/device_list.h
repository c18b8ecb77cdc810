// A neighbor list that the caller brings, on the device: copied there when it is new, and kept.
#ifndef DEEPATTN_OPS_TF_GPU_DEVICE_LIST_H_
#define DEEPATTN_OPS_TF_GPU_DEVICE_LIST_H_

#include <cstring>

#include "cuda_library.h"
#include "kernels/cuda/env_mat.h"
#include "tensorflow/core/common_runtime/device/device_event_mgr.h"
#include "tf/mesh.h"

namespace deepattn {

// Not safe to use by several threads at once.
class DeviceList {
 public:
  absl::Status Find() { return upload_.Find("deepattn_cuda_upload"); }

  // Sets `source` to the list of `mesh` on the device. A list by address is copied only if it is
  // new, which its first number, the steps since, says by being zero.
  absl::Status Update(tensorflow::OpKernelContext* context, const tensorflow::Tensor& mesh,
                      const deepattn_neighbor_source& list, int64_t nloc,
                      deepattn_cuda_neighbors* source) {
    *source = {list.kind, nullptr, nullptr, nullptr, nullptr};
    if (list.kind != DEEPATTN_LISTED || nloc == 0) return absl::OkStatus();
    const bool by_address = mesh.dim_size(0) == 16;
    if (!by_address || mesh.flat<int32_t>().data()[0] == 0 || nloc != nloc_) {
      TF_RETURN_IF_ERROR(Copy(context, list, nloc));
    }
    const char* data = reinterpret_cast<const char*>(device_.flat<tensorflow::uint8>().data());
    const Places places(nloc);
    source->first = reinterpret_cast<const int64_t*>(data);
    source->ilist = reinterpret_cast<const int32_t*>(data + places.ilist);
    source->numneigh = reinterpret_cast<const int32_t*>(data + places.numneigh);
    source->entries = reinterpret_cast<const int32_t*>(data + places.entries);
    return absl::OkStatus();
  }

 private:
  // Bytes from the beginning, where `first` is; all are multiples of 16.
  struct Places {
    explicit Places(int64_t nloc)
        : ilist((8 * nloc + 15) / 16 * 16),
          numneigh(ilist + (4 * nloc + 15) / 16 * 16),
          entries(numneigh + (4 * nloc + 15) / 16 * 16) {}

    int64_t ilist;
    int64_t numneigh;
    int64_t entries;
  };

  absl::Status Copy(tensorflow::OpKernelContext* context, const deepattn_neighbor_source& list,
                    int64_t nloc) {
    nloc_ = -1;  // there is no list, should this fail
    const Places places(nloc);
    int64_t total = 0;
    for (int64_t row = 0; row < nloc; ++row) {
      if (list.numneigh[row] < 0 || (list.numneigh[row] > 0 && list.firstneigh[row] == nullptr)) {
        return tensorflow::errors::InvalidArgument(
            "row ", row, " of the neighbor list has ", list.numneigh[row], " entries",
            list.numneigh[row] < 0 ? "" : " at a null address");
      }
      total += list.numneigh[row];
    }
    const int64_t bytes = places.entries + 4 * total;
    tensorflow::AllocatorAttributes locked;
    locked.set_on_host(true);
    locked.set_gpu_compatible(true);
    const tensorflow::TensorShape shape({bytes});
    tensorflow::Tensor host;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_UINT8, shape, &host, locked));
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_UINT8, shape, &device_));
    char* data = reinterpret_cast<char*>(host.flat<tensorflow::uint8>().data());
    std::memcpy(data + places.ilist, list.ilist, 4 * nloc);
    std::memcpy(data + places.numneigh, list.numneigh, 4 * nloc);
    char* entries = data + places.entries;
    for (int64_t row = 0, first = 0; row < nloc; ++row) {
      std::memcpy(data + 8 * row, &first, 8);
      if (list.numneigh[row] > 0) {
        std::memcpy(entries + 4 * first, list.firstneigh[row], 4 * list.numneigh[row]);
      }
      first += list.numneigh[row];
    }
    deepattn_status status = {DEEPATTN_OK, ""};
    upload_(static_cast<void*>(device_.flat<tensorflow::uint8>().data()),
            static_cast<const void*>(data), bytes, StreamOf(context), &status);
    TF_RETURN_IF_ERROR(ToStatus(status));
    // Until the copy is done its source must not be given to anybody else.
    context->device()->tensorflow_accelerator_device_info()->event_mgr->ThenExecute(
        context->op_device_context()->stream(), [host] {});
    nloc_ = nloc;
    return absl::OkStatus();
  }

  CudaFunction<decltype(deepattn_cuda_upload)> upload_;
  tensorflow::Tensor device_;
  int64_t nloc_ = -1;
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_TF_GPU_DEVICE_LIST_H_
