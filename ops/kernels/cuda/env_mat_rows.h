// The rows of the environment matrix, one block of threads an atom.
#ifndef DEEPATTN_OPS_KERNELS_CUDA_ENV_MAT_ROWS_H_
#define DEEPATTN_OPS_KERNELS_CUDA_ENV_MAT_ROWS_H_

#include "candidates.h"
#include "env_mat.h"
#include "kernels/common/selection_distance.h"
#include "kernels/common/smooth_row.h"

namespace deepattn {

// The arguments of deepattn_cuda_env_mat, in device memory.
template <typename T>
struct EnvMatCall {
  deepattn_env_mat_shape shape;
  deepattn_cuda_neighbors source;
  const T* coord;
  const int32_t* atype;
  const T* davg;
  const T* dstd;
  T* descrpt;  // null, as are davg, dstd and deriv, if only the vectors are wanted
  T* deriv;
  T* rij;
  int32_t* nlist;
  int32_t* ntype;
  uint8_t* nmask;
  deepattn_cuda_problem* problem;
  const int32_t* broken;      // [nframes]
  const int32_t* row_of;      // [nloc]; of a listed source
  const int64_t* first_slot;  // [ntypes + 1]; of shapes with `sel`
};

constexpr int kEnvMatThreads = 128;
constexpr int kCellsAtOnce = 64;
constexpr int64_t kEnvMatRoom = 3 * kEnvMatThreads;  // for candidates that will find no slot

// What a block keeps of the atom that it is at.
template <typename T>
struct EnvMatMemory {
  int64_t capacity;
  Candidates found;
  Candidates kept;  // [nnei]: the best of `found`, when that is full
  int64_t* chosen;  // [nnei]: of each slot the number in `found`, or -1
  int64_t* count;   // of `found`
  int64_t* wrong;   // entries of the atom's list that are no neighbors

  DEEPATTN_BOTH EnvMatMemory(Memory* memory, int64_t nnei)
      : capacity(nnei + kEnvMatRoom),
        found(memory, capacity),
        kept(memory, nnei),
        chosen(memory->Take<int64_t>(nnei)),
        count(memory->Take<int64_t>(1)),
        wrong(memory->Take<int64_t>(1)) {}
};

// Always in shared memory.
template <typename T>
struct EnvMatStage {
  int64_t* cell_begin;  // [kCellsAtOnce], into members
  int64_t* cell_count;
  int64_t* cell_image;
  double* cell_shift;  // [kCellsAtOnce][3]
  int64_t* offset;     // [kCellsAtOnce + 1]
  T* descrpt;          // [kEnvMatThreads][4]; results, to be written in whole lines
  T* deriv;            // [kEnvMatThreads][12]
  T* rij;              // [kEnvMatThreads][3]

  DEEPATTN_BOTH explicit EnvMatStage(Memory* memory) {
    cell_begin = memory->Take<int64_t>(kCellsAtOnce);
    cell_count = memory->Take<int64_t>(kCellsAtOnce);
    cell_image = memory->Take<int64_t>(kCellsAtOnce);
    cell_shift = memory->Take<double>(3 * kCellsAtOnce);
    offset = memory->Take<int64_t>(kCellsAtOnce + 1);
    descrpt = memory->Take<T>(4 * kEnvMatThreads);
    deriv = memory->Take<T>(12 * kEnvMatThreads);
    rij = memory->Take<T>(3 * kEnvMatThreads);
  }
};

// `on_chip`: EnvMatMemory is in shared memory, where its addresses take half the registers.
template <typename T, bool grouped, bool on_chip>
struct EnvMatRows {
  static constexpr int kThreads = kEnvMatThreads;

  EnvMatCall<T> call;
  DeviceGrid<T> grid;  // unless the source is listed
  char* room;          // of EnvMatMemory for each block, unless it is on the chip
  int64_t room_bytes;
  int64_t blocks;

  DEEPATTN_DEVICE void operator()(const Block& block) const {
    Memory shared = block.Shared();
    const EnvMatStage<T> stage(&shared);
    Memory own(room + block.index() * room_bytes);
    const EnvMatMemory<T> memory(on_chip ? &shared : &own, call.shape.nnei);
    const int64_t units = call.shape.nframes * call.shape.nloc;
    for (int64_t unit = block.index(); unit < units; unit += blocks) {
      Atom atom = {unit, unit / call.shape.nloc, unit % call.shape.nloc, 0, false};
      const int64_t at = atom.frame * call.shape.nall + atom.center;
      atom.type = call.atype[at];
      const bool listed = call.source.kind == DEEPATTN_LISTED;
      atom.broken =
          call.broken[atom.frame] != 0 || (!listed && atom.type >= 0 && grid.home[at] < 0);
      block.Each(1, [&](int64_t) { *memory.count = *memory.wrong = 0; });
      if (atom.type >= 0 && !atom.broken) {
        if (listed) {
          FindListed(block, memory, atom);
        } else {
          FindInCells(block, stage, memory, atom);
        }
      }
      Choose(block, memory, atom);
      for (int64_t first = 0; first < call.shape.nnei; first += kThreads) {
        const int64_t left = call.shape.nnei - first;
        Write(block, stage, memory, atom, first, left < kThreads ? left : kThreads);
      }
    }
  }

 private:
  struct Atom {
    int64_t unit;
    int64_t frame;
    int64_t center;
    int32_t type;
    bool broken;
  };

  DEEPATTN_DEVICE bool Listed() const { return call.source.kind == DEEPATTN_LISTED; }

  DEEPATTN_DEVICE bool OnlyVectors() const { return call.descrpt == nullptr; }

  // Coordinates as the neighbors see them.
  DEEPATTN_DEVICE const T* Position(const Atom& atom, int64_t which) const {
    return (Listed() ? call.coord : grid.wrapped) + 3 * (atom.frame * call.shape.nall + which);
  }

  DEEPATTN_DEVICE static int64_t Increment(int64_t* counter) {
    auto* bits = reinterpret_cast<unsigned long long*>(counter);
    return static_cast<int64_t>(AtomicAdd(bits, 1ULL));
  }

  DEEPATTN_DEVICE void Append(const EnvMatMemory<T>& memory, const Atom& atom, float q,
                              int32_t neighbor, int64_t image) const {
    const int64_t n = Increment(memory.count);
    const int32_t group = grouped ? call.atype[atom.frame * call.shape.nall + neighbor] : 0;
    memory.found.Set(n, q, neighbor, group, image);
  }

  // Calls look(k) for k in [0, n), as many at once as there is room for what they may find.
  template <typename F>
  DEEPATTN_DEVICE void Look(const Block& block, const EnvMatMemory<T>& memory, const Atom& atom,
                            int64_t n, const F& look) const {
    for (int64_t done = 0; done < n;) {
      const int64_t free = memory.capacity - block.Get(memory.count);
      if (free < kThreads) {
        Choose(block, memory, atom);
        KeepChosen(block, memory);
        continue;
      }
      const int64_t now = n - done < free ? n - done : free;
      block.Each(now, [&](int64_t k) { look(done + k); });
      done += now;
    }
  }

  DEEPATTN_DEVICE void FindListed(const Block& block, const EnvMatMemory<T>& memory,
                                  const Atom& atom) const {
    const int32_t row = call.row_of[atom.center];
    if (row < 0) {
      block.Each(1, [&](int64_t) { Increment(memory.wrong); });
      return;
    }
    const int32_t* entries = call.source.entries + call.source.first[row];
    const T* from = Position(atom, atom.center);
    const float rcut2 = call.shape.rcut * call.shape.rcut;
    Look(block, memory, atom, call.source.numneigh[row], [&](int64_t k) {
      const int32_t j = entries[k];
      if (j < 0 || j >= call.shape.nall || j == atom.center) {
        Report(call.problem, atom.frame, atom.center,
               j == atom.center ? kListedItself : kListedNoAtom);
        Increment(memory.wrong);
        return;
      }
      if (call.atype[atom.frame * call.shape.nall + j] < 0) return;
      const float q = SelectionDistance(from, Position(atom, j));
      if (q <= rcut2) Append(memory, atom, q, j, kHomeImage);
    });
  }

  DEEPATTN_DEVICE void FindInCells(const Block& block, const EnvMatStage<T>& stage,
                                   const EnvMatMemory<T>& memory, const Atom& atom) const {
    const GridGeometry& geometry = grid.geometry[atom.frame];
    const int64_t begin = atom.frame * call.shape.nall;
    const auto place = geometry.PlaceOf(grid.fraction + 3 * (begin + atom.center));
    const T* from = Position(atom, atom.center);
    const float rcut2_f = call.shape.rcut * call.shape.rcut;
    const T rcut2 = static_cast<T>(rcut2_f);
    int64_t span[3];
    for (int d = 0; d < 3; ++d) span[d] = 2 * geometry.reach[d] + 1;
    const int64_t cells = span[0] * span[1] * span[2];
    for (int64_t first = 0; first < cells; first += kCellsAtOnce) {
      block.Each(kCellsAtOnce, [&](int64_t n) {
        stage.cell_count[n] = 0;
        if (first + n >= cells) return;
        int64_t offset[3] = {(first + n) / (span[1] * span[2]), (first + n) / span[2] % span[1],
                             (first + n) % span[2]};
        int64_t cell[3];
        int32_t image[3];
        for (int d = 0; d < 3; ++d) {
          offset[d] -= geometry.reach[d];
          if (!geometry.Step(place, d, offset[d], &cell[d], &image[d])) return;
        }
        const int64_t number = atom.frame * grid.most_cells + geometry.Number(cell);
        stage.cell_begin[n] = grid.begins[number];
        stage.cell_count[n] = grid.begins[number + 1] - grid.begins[number];
        stage.cell_image[n] = PackImage(image);
        geometry.Shift(image, stage.cell_shift + 3 * n);
      });
      block.Each(kCellsAtOnce + 1, [&](int64_t n) {
        int64_t sum = 0;
        for (int64_t k = 0; k < n; ++k) sum += stage.cell_count[k];
        stage.offset[n] = sum;
      });
      Look(block, memory, atom, block.Get(stage.offset + kCellsAtOnce), [&](int64_t k) {
        int n = 0;  // the cell that candidate k is in
        for (int step = kCellsAtOnce / 2; step > 0; step /= 2) {
          if (stage.offset[n + step] <= k) n += step;
        }
        const int64_t slot = stage.cell_begin[n] + k - stage.offset[n];
        T there[3], d2 = 0;
        for (int c = 0; c < 3; ++c) {
          there[c] = static_cast<T>(static_cast<double>(grid.sorted[3 * slot + c]) +
                                    stage.cell_shift[3 * n + c]);
          d2 += (there[c] - from[c]) * (there[c] - from[c]);
        }
        if (!(d2 < rcut2)) return;
        const int32_t neighbor = grid.members[slot];
        if (stage.cell_image[n] == kHomeImage && neighbor == atom.center) return;
        const float q = SelectionDistance(from, there);
        if (q <= rcut2_f) Append(memory, atom, q, neighbor, stage.cell_image[n]);
      });
    }
  }

  // Gives each slot the candidate that belongs there.
  DEEPATTN_DEVICE void Choose(const Block& block, const EnvMatMemory<T>& memory,
                              const Atom& atom) const {
    const int64_t n = block.Get(memory.count);
    block.Each(call.shape.nnei, [&](int64_t slot) { memory.chosen[slot] = -1; });
    block.Each(n, [&](int64_t k) {
      if (memory.found.atom[k] < 0) return;
      const int64_t rank = memory.found.template Rank<grouped>(n, k, &grid, atom.frame);
      const int32_t group = memory.found.group[k];
      const int64_t first = grouped ? call.first_slot[group] : 0;
      const int64_t end = grouped ? call.first_slot[group + 1] : call.shape.nnei;
      if (first + rank < end) memory.chosen[first + rank] = k;
    });
  }

  // Forgets the candidates that have no slot. Empty slots become candidates that are none.
  DEEPATTN_DEVICE void KeepChosen(const Block& block, const EnvMatMemory<T>& memory) const {
    const int64_t nnei = call.shape.nnei;
    block.Each(nnei, [&](int64_t slot) {
      const int64_t k = memory.chosen[slot];
      if (k >= 0) {
        memory.kept.Copy(slot, memory.found, k);
      } else {
        memory.kept.Set(slot, 0, -1, -1, kHomeImage);
        memory.kept.q[slot] = ~0u;
      }
    });
    block.Each(nnei + 1, [&](int64_t slot) {
      if (slot < nnei) {
        memory.found.Copy(slot, memory.kept, slot);
      } else {
        *memory.count = nnei;
      }
    });
  }

  // Computes the slots from `first` on, then writes them in the order of memory.
  DEEPATTN_DEVICE void Write(const Block& block, const EnvMatStage<T>& stage,
                             const EnvMatMemory<T>& memory, const Atom& atom, int64_t first,
                             int64_t n) const {
    const int64_t base = atom.unit * call.shape.nnei + first;
    block.Each(n, [&](int64_t k) { Compute(stage, memory, atom, first + k, k); });
    constexpr int kVector = 16 / sizeof(T);
    const int64_t rows = OnlyVectors() ? 0 : 4 * n / kVector;
    const int64_t derivs = OnlyVectors() ? 0 : 12 * n / kVector;
    block.Each(rows + derivs + 3 * n, [&](int64_t item) {
      if (item < rows) {
        const int64_t k = item * kVector;
        Store(call.descrpt + 4 * base + k, Load<kVector>(stage.descrpt + k));
      } else if (item < rows + derivs) {
        const int64_t k = (item - rows) * kVector;
        Store(call.deriv + 12 * base + k, Load<kVector>(stage.deriv + k));
      } else {
        const int64_t k = item - rows - derivs;
        call.rij[3 * base + k] = stage.rij[k];
      }
    });
  }

  DEEPATTN_DEVICE void Compute(const EnvMatStage<T>& stage, const EnvMatMemory<T>& memory,
                               const Atom& atom, int64_t slot, int64_t k) const {
    T row[4] = {0, 0, 0, 0}, deriv[12] = {}, d[3] = {0, 0, 0};
    const int64_t n = memory.chosen[slot];
    const int64_t at = atom.unit * call.shape.nnei + slot;
    const int32_t neighbor = n < 0 ? -1 : memory.found.atom[n];
    if (n >= 0) {
      Vector(memory, atom, n, d);
      if (!(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] > 0)) {
        Report(call.problem, atom.frame, atom.center, kSamePlace);
      }
      if (!OnlyVectors()) SmoothRow(call.shape.rcut, call.shape.rcut_smth, d, row, deriv);
    }
    call.nlist[at] = neighbor;
    if (call.ntype != nullptr) {
      call.ntype[at] =
          n < 0 ? call.shape.ntypes : call.atype[atom.frame * call.shape.nall + neighbor];
    }
    if (call.nmask != nullptr) call.nmask[at] = n >= 0;
    const bool wrong = atom.broken || *memory.wrong > 0;
    if (OnlyVectors()) {
      for (int c = 0; c < 3; ++c) stage.rij[3 * k + c] = wrong ? static_cast<T>(NAN) : d[c];
      return;
    }
    if (wrong) {
      for (int a = 0; a < 4; ++a) row[a] = static_cast<T>(NAN);
    } else if (atom.type >= 0) {
      const int64_t of_slot = (atom.type * call.shape.nnei + slot) * 4;
      const auto davg = Load<4>(call.davg + of_slot), dstd = Load<4>(call.dstd + of_slot);
      for (int a = 0; a < 4; ++a) {
        const T scale = T(1) / dstd[a];
        row[a] = (row[a] - davg[a]) * scale;
        for (int c = 0; c < 3; ++c) deriv[3 * a + c] *= scale;
      }
    }
    for (int a = 0; a < 4; ++a) stage.descrpt[4 * k + a] = row[a];
    for (int a = 0; a < 12; ++a) stage.deriv[12 * k + a] = deriv[a];
    for (int c = 0; c < 3; ++c) stage.rij[3 * k + c] = d[c];
  }

  // From the center to candidate n.
  DEEPATTN_DEVICE void Vector(const EnvMatMemory<T>& memory, const Atom& atom, int64_t n,
                              T* d) const {
    const T* from = Position(atom, atom.center);
    const T* to = Position(atom, memory.found.atom[n]);
    double shift[3] = {0, 0, 0};
    if (memory.found.image[n] != kHomeImage) {
      int32_t image[3];
      UnpackImage(memory.found.image[n], image);
      grid.geometry[atom.frame].Shift(image, shift);
    }
    for (int c = 0; c < 3; ++c) {
      d[c] = static_cast<T>(static_cast<double>(to[c]) + shift[c]) - from[c];
    }
  }
};

}  // namespace deepattn

#endif  // DEEPATTN_OPS_KERNELS_CUDA_ENV_MAT_ROWS_H_
