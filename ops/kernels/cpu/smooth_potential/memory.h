// Where the weights of embedding nets, sums of gradients by them, and the numbers of a block of
// rows lie.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_MEMORY_H_
#define DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_MEMORY_H_

#include "kernels.h"
#include "kernels/cpu/simd/arena.h"

namespace {

using deepattn::EmbeddedRow;
using deepattn::EmbeddingGradients;
using deepattn::EmbeddingNets;
using deepattn::kEmbeddingRows;
using deepattn::kMostHidden;
using deepattn::kRowWidth;
using deepattn::SmoothPart;

// Tables by pair of types, padded with zeros, or sums of gradients by them.
template <typename T>
struct PairTables {
  Matrix<T> offset;
  Matrix<T> factors;

  PairTables(const EmbeddingNets<T>& nets, Arena<T>* arena)
      : offset(arena->Rows(nets.npairs, nets.width[0])),
        factors(
            arena->Rows(nets.factors == nullptr ? 0 : nets.npairs, nets.width[nets.nlayers - 1])) {}
};

template <typename T>
inline int64_t TablesSize(const EmbeddingNets<T>& nets) {
  return SizeOf<PairTables<T>, T>(nets);
}

// Weights of one net, or sums of gradients by them; number k are those of layer k > 0.
template <typename T>
struct NetWeights {
  T* scale;
  Matrix<T> matrix[kMostHidden];
  T* bias[kMostHidden];
  T* step[kMostHidden];

  NetWeights(const EmbeddingNets<T>& nets, Arena<T>* arena) : scale(arena->Row(nets.width[0])) {
    for (int64_t k = 1; k < nets.nlayers; ++k) {
      matrix[k] = arena->Rows(nets.width[k - 1], nets.width[k]);
      bias[k] = arena->Row(nets.width[k]);
      step[k] = arena->Row(nets.width[k]);
    }
  }
};

template <typename T>
inline int64_t WeightsSize(const EmbeddingNets<T>& nets) {
  return SizeOf<NetWeights<T>, T>(nets);
}

template <typename T>
struct PackedNet : NetWeights<T> {
  Matrix<T> transposed[kMostHidden];

  PackedNet(const EmbeddingNets<T>& nets, Arena<T>* arena) : NetWeights<T>(nets, arena) {
    for (int64_t k = 1; k < nets.nlayers; ++k) {
      transposed[k] = arena->Rows(nets.width[k], nets.width[k - 1]);
    }
  }
};

template <typename T>
inline int64_t PackedNetSize(const EmbeddingNets<T>& nets) {
  return SizeOf<PackedNet<T>, T>(nets);
}

template <typename T>
inline PairTables<T> TablesAt(const EmbeddingNets<T>& nets, const T* packed) {
  Arena<T> arena(const_cast<T*>(packed));
  return PairTables<T>(nets, &arena);
}

template <typename T>
inline PackedNet<T> NetAt(const EmbeddingNets<T>& nets, int64_t net, const T* packed) {
  Arena<T> arena(const_cast<T*>(packed) + TablesSize(nets) + net * PackedNetSize(nets));
  return PackedNet<T>(nets, &arena);
}

template <typename T>
int64_t PackedSize(const EmbeddingNets<T>* nets) {
  return TablesSize(*nets) + nets->nnets * PackedNetSize(*nets);
}

template <typename T>
void PackTables(const EmbeddingNets<T>* nets, T* packed) {
  const PairTables<T> to = TablesAt(*nets, packed);
  const int64_t first = nets->width[0], last = nets->width[nets->nlayers - 1];
  for (int64_t p = 0; p < nets->npairs; ++p) {
    CopyPadded(first, nets->offset + p * first, to.offset.Row(p));
    if (nets->factors != nullptr) CopyPadded(last, nets->factors + p * last, to.factors.Row(p));
  }
}

template <typename T>
void PackNet(const EmbeddingNets<T>* nets, int64_t net, T* packed) {
  const PackedNet<T> to = NetAt(*nets, net, packed);
  CopyPadded(nets->width[0], nets->scale[net], to.scale);
  for (int64_t k = 1; k < nets->nlayers; ++k) {
    const int64_t in = nets->width[k - 1], out = nets->width[k];
    const int64_t at = net * (nets->nlayers - 1) + k - 1;
    for (int64_t i = 0; i < in; ++i)
      CopyPadded(out, nets->matrix[at] + i * out, to.matrix[k].Row(i));
    CopyPadded(out, nets->bias[at], to.bias[k]);
    const T* step = nets->step[at];
    for (int64_t i = 0; i < RoundUp<T>(out); ++i) {
      to.step[k][i] = i >= out ? T(0) : step == nullptr ? T(1) : step[i];
    }
    Transpose(in, out, to.matrix[k], to.transposed[k]);
  }
}

// Values of a block of rows, and below them as many tangents: what comes out of layer k, its tanh,
// and the scaled embedding; for the gradients the cotangents of these, and those of the sums that
// go into a tanh.
template <typename T>
struct BlockRows {
  Matrix<T> x[kMostHidden];
  Matrix<T> hidden[kMostHidden];
  Matrix<T> scaled;
  Matrix<T> grad[kMostHidden];
  Matrix<T> grad_sum;

  BlockRows(const EmbeddingNets<T>& nets, Arena<T>* arena) {
    constexpr int64_t rows = 2 * kEmbeddingRows;
    int64_t widest = 0;
    for (int64_t k = 0; k < nets.nlayers; ++k) {
      if (nets.width[k] > widest) widest = nets.width[k];
      hidden[k] = arena->Rows(rows, nets.width[k]);
      // Nothing is added in the first layer.
      x[k] = k == 0 ? hidden[k] : arena->Rows(rows, nets.width[k]);
      grad[k] = arena->Rows(rows, nets.width[k]);
    }
    const int64_t last = nets.nlayers - 1;
    scaled = nets.factors == nullptr ? x[last] : arena->Rows(rows, nets.width[last]);
    grad_sum = arena->Rows(rows, widest);
  }
};

template <typename T>
int64_t PartScratchSize(const EmbeddingNets<T>* nets) {
  return SizeOf<BlockRows<T>, T>(*nets);
}

template <typename T>
int64_t TableSumsSize(const EmbeddingNets<T>* nets) {
  return TablesSize(*nets);
}

template <typename T>
int64_t SumsSize(const EmbeddingNets<T>* nets) {
  return TablesSize(*nets) + nets->nnets * WeightsSize(*nets);
}

template <typename T>
void AddUpRows(int64_t n, const T* const* from, int64_t number, int64_t place, T* to) {
  memset(to, 0, n * sizeof(T));
  for (int64_t s = 0; s < number; ++s) {
    const T* row = from[s] + place;
    for (int64_t i = 0; i < n; ++i) to[i] += row[i];
  }
}

// An address to count places in arrays of sums from; nothing is read there.
template <typename T>
inline T* BaseOf(const EmbeddingNets<T>& nets, const T* const* sums, int64_t number) {
  return const_cast<T*>(number > 0 ? sums[0] : nets.offset);
}

template <typename T>
void WriteTableSums(const EmbeddingNets<T>* nets, const T* const* sums, int64_t number,
                    const EmbeddingGradients<T>* out) {
  T* const base = BaseOf(*nets, sums, number);
  const PairTables<T> from = TablesAt<T>(*nets, base);
  const int64_t first = nets->width[0], last = nets->width[nets->nlayers - 1];
  for (int64_t p = 0; p < nets->npairs; ++p) {
    AddUpRows(first, sums, number, from.offset.Row(p) - base, out->offset + p * first);
    if (nets->factors == nullptr) continue;
    AddUpRows(last, sums, number, from.factors.Row(p) - base, out->factors + p * last);
  }
}

template <typename T>
void WriteNetSums(const EmbeddingNets<T>* nets, int64_t net, const T* const* sums, int64_t number,
                  const EmbeddingGradients<T>* out) {
  T* const base = BaseOf(*nets, sums, number);
  Arena<T> arena(base + TablesSize(*nets) + net * WeightsSize(*nets));
  const NetWeights<T> from(*nets, &arena);
  AddUpRows(nets->width[0], sums, number, from.scale - base, out->scale[net]);
  for (int64_t k = 1; k < nets->nlayers; ++k) {
    const int64_t in = nets->width[k - 1], width = nets->width[k];
    const int64_t at = net * (nets->nlayers - 1) + k - 1;
    for (int64_t i = 0; i < in; ++i) {
      AddUpRows(width, sums, number, from.matrix[k].Row(i) - base, out->matrix[at] + i * width);
    }
    AddUpRows(width, sums, number, from.bias[k] - base, out->bias[at]);
    if (out->step[at] != nullptr) {
      AddUpRows(width, sums, number, from.step[k] - base, out->step[at]);
    }
  }
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_MEMORY_H_
