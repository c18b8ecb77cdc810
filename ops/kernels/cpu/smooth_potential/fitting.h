// From B = Rᵀ G / count of a group of atoms to their energies, and back.
//
// Matrices have atoms along their rows: values first, and beside them tangents. A weight is then a
// factor of whole vectors, so that the weights are read where they are.
#ifndef DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_FITTING_H_
#define DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_FITTING_H_

#include "kernels.h"
#include "kernels/cpu/simd/arena.h"

namespace {

using deepattn::FittingGradients;
using deepattn::FittingNet;
using deepattn::kGroupAtoms;
using deepattn::SmoothGroup;

template <typename T>
inline int64_t InputWidth(const FittingNet<T>& net, int64_t k) {
  return k == 0 ? net.input : net.width[k - 1];
}

// What gradients by the weights are made of: inputs of the layers, the gradients by their sums with
// an atom in each row, and what is summed over atoms already.
template <typename T>
struct GroupMemory {
  Matrix<T> x[kMostHidden + 1];
  Matrix<T> grad_sum[kMostHidden];
  T* step[kMostHidden];
  T* last;

  GroupMemory(const FittingNet<T>& net, int64_t natoms, Arena<T>* arena) {
    const int64_t columns = 2 * RoundUp<T>(natoms);
    for (int64_t k = 0; k < net.nhidden; ++k) {
      x[k] = arena->Rows(InputWidth(net, k), columns);
      grad_sum[k] = arena->Rows(columns, net.width[k]);
      step[k] = arena->Row(net.width[k]);
    }
    x[net.nhidden] = arena->Rows(net.width[net.nhidden - 1], columns);
    last = arena->Row(net.width[net.nhidden - 1]);
  }
};

template <typename T>
int64_t GroupMemorySize(const FittingNet<T>* net) {
  return SizeOf<GroupMemory<T>, T>(*net, kGroupAtoms);
}

template <typename T>
inline GroupMemory<T> MemoryOf(const SmoothGroup<T>& group) {
  Arena<T> arena(group.memory);
  return GroupMemory<T>(*group.net, group.natoms, &arena);
}

template <typename T>
struct GroupScratch {
  Matrix<T> contracted;  // [4 · width]
  Matrix<T> grad_contracted;
  Matrix<T> hidden[kMostHidden];
  Matrix<T> grad[2];  // by what comes out of a layer; two take turns
  Matrix<T> grad_sum;
  Matrix<T> grad_input;  // by the descriptor
  Matrix<T> offset;      // [atoms][first width], and transposed
  Matrix<T> transposed_offset;
  T* ones;  // of atoms, the rest zeros
  T* grad_energy;

  GroupScratch(const FittingNet<T>& net, int64_t width, int64_t natoms, bool tangents,
               Arena<T>* arena) {
    const int64_t atoms = RoundUp<T>(natoms), columns = (tangents ? 2 : 1) * atoms;
    int64_t widest = 0;
    for (int64_t k = 0; k < net.nhidden; ++k) {
      if (net.width[k] > widest) widest = net.width[k];
      hidden[k] = arena->Rows(net.width[k], columns);
    }
    contracted = arena->Rows(deepattn::kRowWidth * width, columns);
    grad_contracted = arena->Rows(deepattn::kRowWidth * width, columns);
    for (Matrix<T>& rows : grad) rows = arena->Rows(widest, columns);
    grad_sum = arena->Rows(widest, columns);
    grad_input = arena->Rows(net.input, columns);
    offset = arena->Rows(atoms, net.width[0]);
    transposed_offset = arena->Rows(net.width[0], atoms);
    ones = arena->Row(atoms);
    grad_energy = arena->Row(atoms);
  }
};

// With the memory where inputs of layers are, which only gradients by weights need later.
template <typename T>
int64_t GroupScratchSize(const FittingNet<T>* net, int64_t width, bool tangents) {
  Arena<T> arena(nullptr);
  GroupScratch<T>(*net, width, kGroupAtoms, tangents, &arena);
  if (!tangents) GroupMemory<T>(*net, kGroupAtoms, &arena);
  return arena.used();
}

// Rows are not aligned: the last vector of each is written over by the next row.
template <typename T>
void Descriptors(const SmoothGroup<T>* group, T* out) {
  const int64_t stride = Stride<T>(group->width);
  for (int64_t a = 0; a < group->natoms; ++a) {
    const T* contracted = group->contracted + a * deepattn::kRowWidth * stride;
    for (int64_t i = 0; i < group->width; ++i, out += group->axis) {
      for (int64_t k = 0; k < group->axis; k += kLanes<T>) {
        Vec<T> sum = {};
        for (int c = 0; c < deepattn::kRowWidth; ++c) {
          sum += contracted[c * stride + i] * At(contracted + c * stride + k);
        }
        memcpy(out + k, &sum, sizeof(sum));
      }
    }
  }
}

template <typename T, bool tangents>
class FittingPass {
 public:
  FittingPass(const SmoothGroup<T>& group, Arena<T>* arena)
      : group_(group),
        net_(*group.net),
        width_(group.width),
        axis_(group.axis),
        stride_(Stride<T>(group.width)),
        atoms_(RoundUp<T>(group.natoms)),
        columns_((tangents ? 2 : 1) * atoms_),
        at_(net_, width_, group.natoms, tangents, arena),
        memory_(tangents ? MemoryOf(group) : GroupMemory<T>(net_, group.natoms, arena)) {}

  void Run() {
    for (int64_t a = 0; a < atoms_; ++a) {
      const bool real = a < group_.natoms;
      at_.ones[a] = real ? T(1) : T(0);
      at_.grad_energy[a] = !real ? T(0) : tangents ? group_.grad_energy[a] : T(1);
    }
    Load(group_.contracted, 0);
    if (tangents) Load(group_.contracted_tangent, atoms_);
    Describe();
    for (int64_t k = 0; k < net_.nhidden; ++k) Layer(k);
    if (group_.energy != nullptr) WriteEnergies();
    LastBack();
    for (int64_t k = net_.nhidden - 1; k >= 0; --k) LayerBack(k);
    DescribeBack();
    Store(0, group_.grad);
    if (tangents) Store(atoms_, group_.grad_tangent);
  }

 private:
  T* Contracted(int c, int64_t i) const { return at_.contracted.Row(c * width_ + i); }
  T* GradContracted(int c, int64_t i) const { return at_.grad_contracted.Row(c * width_ + i); }

  void Load(const T* rows, int64_t column) const {
    for (int c = 0; c < deepattn::kRowWidth; ++c) {
      Transpose<T>(group_.natoms, width_,
                   {const_cast<T*>(rows) + c * stride_, deepattn::kRowWidth * stride_},
                   {Contracted(c, 0) + column, at_.contracted.stride});
    }
  }

  void Store(int64_t column, T* rows) const {
    for (int c = 0; c < deepattn::kRowWidth; ++c) {
      Transpose<T>(width_, group_.natoms,
                   {GradContracted(c, 0) + column, at_.grad_contracted.stride},
                   {rows + c * stride_, deepattn::kRowWidth * stride_});
    }
  }

  void Describe() const {
    for (int64_t i = 0; i < width_; ++i) {
      for (int64_t k = 0; k < axis_; ++k) {
        T* to = memory_.x[0].Row(i * axis_ + k);
        for (int64_t a = 0; a < atoms_; a += kLanes<T>) {
          Vec<T> value = {}, tangent = {};
          for (int c = 0; c < deepattn::kRowWidth; ++c) {
            const T *left = Contracted(c, i) + a, *right = Contracted(c, k) + a;
            value += At(left) * At(right);
            if (tangents) tangent += At(left + atoms_) * At(right) + At(left) * At(right + atoms_);
          }
          At(to + a) = value;
          if (tangents) At(to + atoms_ + a) = tangent;
        }
      }
    }
  }

  // From the gradients by D and its tangent those by B and its tangent, divided by count.
  void DescribeBack() const {
    for (int64_t i = 0; i < width_; ++i) {
      AddDescribeBack(i, axis_, [&](int64_t k) { return i * axis_ + k; }, kSet);
    }
    for (int64_t k = 0; k < axis_; ++k) {
      AddDescribeBack(k, width_, [&](int64_t i) { return i * axis_ + k; }, kAdd);
    }
  }

  // Of one column of B what comes by the elements element(j) of D, its products with columns j.
  template <typename Element>
  void AddDescribeBack(int64_t column, int64_t number, const Element& element, Mode mode) const {
    for (int64_t a = 0; a < atoms_; a += kLanes<T>) {
      Vec<T> sum[deepattn::kRowWidth] = {}, sum_tangent[deepattn::kRowWidth] = {};
      for (int64_t j = 0; j < number; ++j) {
        const T* from = at_.grad_input.Row(element(j)) + a;
        const Vec<T> grad = At(from) / group_.count;
        for (int c = 0; c < deepattn::kRowWidth; ++c) {
          const T* other = Contracted(c, j) + a;
          sum[c] += grad * At(other);
          if constexpr (tangents) {
            const Vec<T> grad_tangent = At(from + atoms_) / group_.count;
            sum[c] += grad_tangent * At(other + atoms_);
            sum_tangent[c] += grad_tangent * At(other);
          }
        }
      }
      for (int c = 0; c < deepattn::kRowWidth; ++c) {
        T* to = GradContracted(c, column) + a;
        At(to) = mode == kSet ? sum[c] : At(to) + sum[c];
        if constexpr (tangents) {
          At(to + atoms_) = mode == kSet ? sum_tangent[c] : At(to + atoms_) + sum_tangent[c];
        }
      }
    }
  }

  void LoadOffsets() const {
    const int64_t width = net_.width[0];
    for (int64_t a = 0; a < group_.natoms; ++a) {
      T* sum = at_.offset.Row(a);
      memset(sum, 0, RoundUp<T>(width) * sizeof(T));
      for (int k = 0; k < 3; ++k) {
        const T* offset = group_.offset[3 * a + k];
        for (int64_t i = 0; offset != nullptr && i < width; ++i) sum[i] += offset[i];
      }
    }
    Transpose(group_.natoms, width, at_.offset, at_.transposed_offset);
  }

  void Layer(int64_t k) const {
    const int64_t in = InputWidth(net_, k), out = net_.width[k];
    const Matrix<T> hidden = at_.hidden[k], x = memory_.x[k + 1];
    Multiply<true, T>(out, columns_, in, {net_.matrix[k], out},
                      {memory_.x[k].data, memory_.x[k].stride}, hidden, kSet);
    if (k == 0) LoadOffsets();
    for (int64_t j = 0; j < out; ++j) {
      const T step = net_.step[k] == nullptr ? T(1) : net_.step[k][j];
      const T bias = net_.bias[k] == nullptr ? T(0) : net_.bias[k][j];
      for (int64_t a = 0; a < atoms_; a += kLanes<T>) {
        T *value = hidden.Row(j) + a, *below = value + atoms_;
        const Vec<T> h =
            Tanh<T>(At(value) + (k == 0 ? At(at_.transposed_offset.Row(j) + a) : Vec<T>{} + bias));
        At(value) = h;
        At(x.Row(j) + a) = h * step;
        if constexpr (tangents) {
          At(below) = (T(1) - h * h) * At(below);
          At(x.Row(j) + atoms_ + a) = At(below) * step;
        }
      }
    }
    for (int64_t copy = 0; copy < net_.copies[k]; ++copy) {
      AddRows(in, memory_.x[k], {x.Row(copy * in), x.stride});
    }
  }

  void AddRows(int64_t rows, Matrix<T> from, Matrix<T> to) const {
    for (int64_t j = 0; j < rows; ++j) {
      for (int64_t a = 0; a < columns_; a += kLanes<T>) At(to.Row(j) + a) += At(from.Row(j) + a);
    }
  }

  void WriteEnergies() const {
    const int64_t last = net_.width[net_.nhidden - 1];
    for (int64_t a = 0; a < atoms_; a += kLanes<T>) {
      Vec<T> sum = {};
      for (int64_t j = 0; j < last; ++j) {
        sum += net_.last_matrix[j] * At(memory_.x[net_.nhidden].Row(j) + a);
      }
      for (int64_t i = 0; i < kLanes<T> && a + i < group_.natoms; ++i) {
        group_.energy[a + i] = sum[i] + *net_.last_bias;
      }
    }
  }

  void LastBack() const {
    const int64_t last = net_.width[net_.nhidden - 1];
    for (int64_t j = 0; j < last; ++j) {
      T* to = at_.grad[net_.nhidden % 2].Row(j);
      const T* x = memory_.x[net_.nhidden].Row(j);
      Vec<T> sum = {};
      for (int64_t a = 0; a < atoms_; a += kLanes<T>) {
        At(to + a) = net_.last_matrix[j] * At(at_.grad_energy + a);
        if constexpr (tangents) {
          At(to + atoms_ + a) = net_.last_matrix[j] * At(at_.ones + a);
          sum += At(at_.grad_energy + a) * At(x + a) + At(at_.ones + a) * At(x + atoms_ + a);
        }
      }
      if constexpr (tangents) memory_.last[j] = Sum<T>(sum);
    }
  }

  void LayerBack(int64_t k) const {
    const int64_t in = InputWidth(net_, k), out = net_.width[k];
    const Matrix<T> grad = at_.grad[(k + 1) % 2], hidden = at_.hidden[k];
    for (int64_t j = 0; j < out; ++j) {
      const T step = net_.step[k] == nullptr ? T(1) : net_.step[k][j];
      Vec<T> by_step = {};
      for (int64_t a = 0; a < atoms_; a += kLanes<T>) {
        const T *by_x = grad.Row(j) + a, *value = hidden.Row(j) + a;
        T* to = at_.grad_sum.Row(j) + a;
        const Vec<T> h = At(value), slope = T(1) - h * h;
        At(to) = At(by_x) * step * slope;
        if constexpr (tangents) {
          // The tangent is slope z', and the slope itself changes by -2 h h'.
          const Vec<T> tangent = At(value + atoms_), by_tangent = At(by_x + atoms_) * step;
          At(to) -= T(2) * by_tangent * h * tangent;
          At(to + atoms_) = by_tangent * slope;
          by_step += At(by_x) * h + At(by_x + atoms_) * tangent;
        }
      }
      if constexpr (tangents) memory_.step[k][j] = Sum<T>(by_step);
    }
    const Matrix<T> to = k == 0 ? at_.grad_input : at_.grad[k % 2];
    Multiply<false, T>(in, columns_, out, {net_.matrix[k], out},
                       {at_.grad_sum.data, at_.grad_sum.stride}, to, kSet);
    for (int64_t copy = 0; copy < net_.copies[k]; ++copy) {
      AddRows(in, {grad.Row(copy * in), grad.stride}, to);
    }
    if constexpr (tangents) Transpose(out, columns_, at_.grad_sum, memory_.grad_sum[k]);
  }

  const SmoothGroup<T>& group_;
  const FittingNet<T>& net_;
  const int64_t width_;
  const int64_t axis_;
  const int64_t stride_;
  const int64_t atoms_;    // whole vectors of them
  const int64_t columns_;  // and their tangents
  const GroupScratch<T> at_;
  const GroupMemory<T> memory_;
};

template <typename T, bool tangents>
void RunFitting(const SmoothGroup<T>* group, T* scratch) {
  Arena<T> arena(scratch);
  FittingPass<T, tangents>(*group, &arena).Run();
}

template <typename T>
int64_t MatrixScratchSize(const FittingNet<T>* net, int64_t rows) {
  int64_t widest = 0;
  for (int64_t k = 0; k < net->nhidden; ++k)
    widest = net->width[k] > widest ? net->width[k] : widest;
  return rows * Stride<T>(widest);
}

template <typename T>
void MatrixGradient(const SmoothGroup<T>* groups, int64_t ngroups, int64_t layer, int64_t begin,
                    int64_t end, bool add, T* scratch, T* out) {
  const int64_t width = groups->net->width[layer];
  const Matrix<T> sum = {scratch, Stride<T>(width)};
  for (int64_t g = 0; g < ngroups; ++g) {
    const GroupMemory<T> memory = MemoryOf(groups[g]);
    const Matrix<T> x = memory.x[layer], grad = memory.grad_sum[layer];
    Multiply<false, T>(end - begin, width, 2 * RoundUp<T>(groups[g].natoms),
                       {x.Row(begin), x.stride}, {grad.data, grad.stride}, sum,
                       g == 0 ? kSet : kAdd);
  }
  for (int64_t i = begin; i < end; ++i) {
    const T* from = sum.Row(i - begin);
    T* to = out + i * width;
    for (int64_t j = 0; j < width; ++j) to[j] = add ? to[j] + from[j] : from[j];
  }
}

template <typename T>
inline void AddRow(int64_t n, const T* from, T* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

template <typename T>
void VectorGradients(const SmoothGroup<T>* group, const FittingGradients<T>* out,
                     T* const* offset) {
  const FittingNet<T>& net = *group->net;
  const GroupMemory<T> memory = MemoryOf(*group);
  for (int64_t k = 0; k < net.nhidden; ++k) {
    if (out->step[k] != nullptr) AddRow(net.width[k], memory.step[k], out->step[k]);
    for (int64_t a = 0; a < group->natoms; ++a) {
      const T* row = memory.grad_sum[k].Row(a);
      if (out->bias[k] != nullptr) AddRow(net.width[k], row, out->bias[k]);
      for (int part = 0; k == 0 && part < 3; ++part) {
        if (offset[3 * a + part] != nullptr) AddRow(net.width[0], row, offset[3 * a + part]);
      }
    }
  }
  AddRow(net.width[net.nhidden - 1], memory.last, out->last_matrix);
  for (int64_t a = 0; a < group->natoms; ++a) *out->last_bias += group->grad_energy[a];
}

}  // namespace

#endif  // DEEPATTN_OPS_KERNELS_CPU_SMOOTH_POTENTIAL_FITTING_H_
