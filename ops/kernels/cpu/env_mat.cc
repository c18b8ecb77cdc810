#include "env_mat.h"

#include <algorithm>

#include "kernels/common/smooth_row.h"
#include "neighbor_selection.h"

namespace deepattn {
namespace {

template <typename T>
struct Statistics {
  const T* davg;
  const T* dstd;
};

template <typename T>
struct Outputs {
  T* descrpt;
  T* deriv;
  T* rij;
  int32_t* nlist;
  int32_t* ntype;
  uint8_t* nmask;
};

// One center at a time; holds the scratch memory of a range of centers.
template <typename T>
class RowFiller {
 public:
  RowFiller(const NeighborSearch<T>& search, const Statistics<T>& statistics, const Outputs<T>& out,
            FirstError* error)
      : shape_(search.shape()),
        atype_(search.atoms().atype),
        statistics_(statistics),
        out_(out),
        selection_(search, error) {}

  // unit = frame * nloc + center
  bool operator()(int64_t unit) {
    const int64_t frame = unit / shape_.nloc;
    const int32_t type = atype_[frame * shape_.nall + unit % shape_.nloc];
    if (type >= 0 && !selection_.FillSlots(unit)) return false;
    for (int64_t slot = 0; slot < shape_.nnei; ++slot) {
      Write(unit, type, slot, type < 0 ? nullptr : selection_.InSlot(slot));
    }
    return true;
  }

 private:
  // `neighbor`: in the slot, or null.
  void Write(int64_t unit, int32_t type, int64_t slot, const Neighbor<T>* neighbor) {
    const int64_t at = unit * shape_.nnei + slot;
    T* descrpt = out_.descrpt + 4 * at;
    T* deriv = out_.deriv + 12 * at;
    T* rij = out_.rij + 3 * at;
    std::fill_n(descrpt, 4, T(0));
    std::fill_n(deriv, 12, T(0));
    std::fill_n(rij, 3, T(0));
    const int32_t atom = neighbor == nullptr ? -1 : neighbor->atom;
    out_.nlist[at] = atom;
    if (out_.ntype != nullptr) {
      const int64_t first = unit / shape_.nloc * shape_.nall;  // of the frame
      out_.ntype[at] = atom < 0 ? shape_.ntypes : atype_[first + atom];
    }
    if (out_.nmask != nullptr) out_.nmask[at] = atom >= 0;
    if (atom >= 0) {
      std::copy_n(neighbor->d, 3, rij);
      SmoothRow(shape_.rcut, shape_.rcut_smth, rij, descrpt, deriv);
    }
    if (type < 0) return;
    const T* davg = statistics_.davg + (type * shape_.nnei + slot) * 4;
    const T* dstd = statistics_.dstd + (type * shape_.nnei + slot) * 4;
    for (int a = 0; a < 4; ++a) {
      descrpt[a] = (descrpt[a] - davg[a]) / dstd[a];
      for (int k = 0; k < 3; ++k) deriv[3 * a + k] /= dstd[a];
    }
  }

  const deepattn_env_mat_shape& shape_;
  const int32_t* atype_;
  const Statistics<T>& statistics_;
  const Outputs<T>& out_;
  NeighborSelection<T> selection_;
};

template <typename T>
void EnvMat(const deepattn_env_mat_shape& shape, const deepattn_neighbor_source& source,
            const Atoms<T>& atoms, const Statistics<T>& statistics, const Outputs<T>& out,
            const deepattn_threads& threads, deepattn_status* status) {
  FirstError error(status);
  NeighborSearch<T> search(shape, source, atoms);
  search.Prepare(threads, &error);
  if (!error.ok() || shape.nframes == 0) return;
  ParallelFor(threads, shape.nframes * shape.nloc, 30 * shape.nnei + search.cost(), &error,
              [&] { return RowFiller<T>(search, statistics, out, &error); });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_ENV_MAT(T, suffix)                                                         \
  void deepattn_env_mat_##suffix(                                                                  \
      const deepattn_env_mat_shape* shape, const deepattn_neighbor_source* source, const T* coord, \
      const int32_t* atype, const T* box, const T* davg, const T* dstd, T* descrpt, T* deriv,      \
      T* rij, int32_t* nlist, int32_t* ntype, uint8_t* nmask, const deepattn_threads* threads,     \
      deepattn_status* status) {                                                                   \
    deepattn::Guard(status, [&] {                                                                  \
      deepattn::EnvMat<T>(*shape, *source, {coord, atype, box}, {davg, dstd},                      \
                          {descrpt, deriv, rij, nlist, ntype, nmask}, *threads, status);           \
    });                                                                                            \
  }

DEEPATTN_DEFINE_ENV_MAT(float, f32)
DEEPATTN_DEFINE_ENV_MAT(double, f64)
