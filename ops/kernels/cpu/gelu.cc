#include "gelu.h"

#include <cmath>

#include "parallel.h"

namespace deepattn {
namespace {

constexpr int64_t kCost = 40;

// With u = s(x + c·x³): g = x(1 + tanh u)/2.
template <typename T>
struct Gelu {
  static constexpr T s = T(0.7978845608028654);
  static constexpr T c = T(0.044715);

  static T Argument(T x) { return s * (x + c * x * x * x); }
  static T Slope(T x) { return s * (T(1) + T(3) * c * x * x); }
  static T Curvature(T x) { return T(6) * s * c * x; }

  static T Value(T x) { return T(0.5) * x * (T(1) + std::tanh(Argument(x))); }

  static T First(T x) {
    const T t = std::tanh(Argument(x));
    return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * Slope(x);
  }

  static T Second(T x) {
    const T t = std::tanh(Argument(x));
    const T slope = Slope(x);
    return (T(1) - t * t) * (slope + T(0.5) * x * (Curvature(x) - T(2) * t * slope * slope));
  }
};

template <typename Function>
void ForEach(int64_t size, const deepattn_threads& threads, deepattn_status* status,
             const Function& function) {
  FirstError error(status);
  ParallelFor(threads, size, kCost, &error, [&] {
    return [&](int64_t n) {
      function(n);
      return true;
    };
  });
}

}  // namespace
}  // namespace deepattn

#define DEEPATTN_DEFINE_GELU(T, suffix)                                                            \
  void deepattn_gelu_##suffix(int64_t size, const T* x, T* y, const deepattn_threads* threads,     \
                              deepattn_status* status) {                                           \
    deepattn::ForEach(size, *threads, status,                                                      \
                      [=](int64_t n) { y[n] = deepattn::Gelu<T>::Value(x[n]); });                  \
  }                                                                                                \
  void deepattn_gelu_grad_##suffix(int64_t size, const T* dy, const T* x, T* y,                    \
                                   const deepattn_threads* threads, deepattn_status* status) {     \
    deepattn::ForEach(size, *threads, status,                                                      \
                      [=](int64_t n) { y[n] = dy[n] * deepattn::Gelu<T>::First(x[n]); });          \
  }                                                                                                \
  void deepattn_gelu_grad_grad_##suffix(int64_t size, const T* dy, const T* dy2, const T* x, T* y, \
                                        const deepattn_threads* threads,                           \
                                        deepattn_status* status) {                                 \
    deepattn::ForEach(size, *threads, status, [=](int64_t n) {                                     \
      y[n] = dy[n] * dy2[n] * deepattn::Gelu<T>::Second(x[n]);                                     \
    });                                                                                            \
  }

DEEPATTN_DEFINE_GELU(float, f32)
DEEPATTN_DEFINE_GELU(double, f64)
