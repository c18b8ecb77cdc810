// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "descriptor.h"
#include "distance.h"
#include "net.h"

namespace {

template <typename T>
int64_t PackedSize(const FittingNet<T>* net, int64_t axis) {
  int64_t size;
  PackedNet<T>(*net, axis, nullptr, &size);
  return size;
}

template <typename T>
void Pack(const FittingNet<T>* net, int64_t axis, T* packed) {
  PackNet<T>(*net, axis, PackedNet<T>(*net, axis, packed));
}

template <typename T>
class Evaluation {
 public:
  // `nslots`: of all atoms, at most.
  Evaluation(const PotentialBlock<T>& block, int64_t natoms, int64_t nslots, T* scratch)
      : block_(block),
        arena_(scratch),
        triangle_{block.table_shape.width, block.axis},
        input_(arena_.Rows(natoms, triangle_.Size() + kLanes<T>)),
        contracted_(arena_.Rows(natoms * kColumns, triangle_.width + kLanes<T>)),
        grad_(arena_.Rows(kColumns, block.table_shape.width)),
        components_(arena_.Rows(block.square == nullptr ? 0 : natoms, Components(block))),
        places_(reinterpret_cast<Place<T>*>(
            arena_.Row((nslots * sizeof(Place<T>) + sizeof(T) - 1) / sizeof(T)))),
        net_(*block.net, block.axis, block.packed, natoms, &arena_) {}

  int64_t scratch_size() const { return arena_.used(); }

  void Evaluate() {
    for (int64_t a = 0; a < block_.natoms; ++a) {
      const int64_t first = block_.first[a], nslots = block_.first[a + 1] - first;
      for (int64_t j = 0; j < nslots; ++j) {
        places_[first + j] = FindPlace(block_, block_.slots[first + j]);
      }
      Contract(block_, block_.slots + first, places_ + first, nslots, Contracted(a));
      memset(input_.Row(a) + triangle_.Size(), 0, kLanes<T> * sizeof(T));
      Describe(triangle_, Contracted(a), input_.Row(a));
      AddOffsets(a);
    }
    if (block_.square != nullptr) {
      SquareDistances(*block_.distance_basis, block_.natoms, triangle_.Size(), input_, block_.type,
                      components_, block_.square);
    }
    // Leaves the gradient in the place of D.
    net_.EnergyAndGradient(input_, block_.energy);
    for (int64_t a = 0; a < block_.natoms; ++a) {
      const int64_t first = block_.first[a];
      DescribeBack(triangle_, block_.count, Contracted(a), input_.Row(a), grad_);
      for (int64_t j = first; j < first + block_.neighbors[a]; ++j) {
        PickSlotGradient<T>({places_[j].factor != nullptr, places_[j].beyond != 0})(
            block_, block_.slots[j], places_[j], grad_, &block_.gradient[j]);
      }
    }
  }

 private:
  static int64_t Components(const PotentialBlock<T>& block) {
    return block.square == nullptr ? 0 : block.distance_basis->ncomponents;
  }

  Matrix<T> Contracted(int64_t a) const {
    return {contracted_.Row(a * kColumns), contracted_.stride};
  }

  void AddOffsets(int64_t a) {
    const int64_t width = block_.net->width[0];
    T* sum = net_.offsets().Row(a);
    memset(sum, 0, RoundUp<T>(width) * sizeof(T));
    for (int k = 0; k < 3; ++k) {
      const T* offset = block_.offset[3 * a + k];
      for (int64_t i = 0; offset != nullptr && i < width; ++i) sum[i] += offset[i];
    }
  }

  const PotentialBlock<T>& block_;
  Arena<T> arena_;
  const Triangle triangle_;
  Matrix<T> input_;       // D, then its gradient
  Matrix<T> contracted_;  // four rows for each atom
  Matrix<T> grad_;        // of one atom
  Matrix<T> components_;  // of the distances
  Place<T>* places_;
  Net<T> net_;
};

template <typename T>
int64_t ScratchSize(const PotentialBlock<T>* block, int64_t nslots) {
  const int64_t natoms = deepattn::kBlockAtoms;
  return Evaluation<T>(*block, natoms, natoms * nslots, nullptr).scratch_size();
}

template <typename T>
void Evaluate(const PotentialBlock<T>* block, T* scratch) {
  Evaluation<T>(*block, block->natoms, block->first[block->natoms], scratch).Evaluate();
}

template <typename T>
constexpr deepattn::PotentialKernels<T> kKernels = {
    PackedSize<T>, Pack<T>, PackedBasisSize<T>, PackBasis<T>, ScratchSize<T>, Evaluate<T>};

}  // namespace

namespace deepattn {

const PotentialTable DEEPATTN_TABLE(kPotential) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
