#include "tests/unit/householder_qr/transcription.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace weightinit::test {
namespace {

template <class T>
class Matrix {
 public:
  Matrix(int rows, int cols)
      : cols_(static_cast<std::size_t>(cols)), data_(static_cast<std::size_t>(rows) * cols_) {}
  T& operator()(int r, int c) {
    return data_[static_cast<std::size_t>(r) * cols_ + static_cast<std::size_t>(c)];
  }

 private:
  std::size_t cols_;
  std::vector<T> data_;
};

// The sum of term(r) for begin <= r < end, in blocks of 128 rows counted from `top`.
template <class T, class Term>
T RowSum(int top, int begin, int end, const Term& term) {
  T total = 0;
  T partial = 0;
  for (int r = begin; r < end; ++r) {
    partial += term(r);
    if ((r - top) % 128 == 127 || r == end - 1) {
      total += partial;
      partial = 0;
    }
  }
  return total;
}

struct Qr {
  int m, n;
  Matrix<double> a;                // G, then R and the columns of A not yet reached
  Matrix<double> v;                // the reflections
  std::vector<Matrix<double>> ts;  // one 64 × 64 factor per panel
  std::vector<double> tau;
  std::vector<bool> negative;
};

// Applies the reflections [first, last) of the panel that starts at `top` to columns [begin, end)
// of A.
void Update(Qr& qr, int top, int first, int last, int begin, int end) {
  Matrix<double>& t = qr.ts[static_cast<std::size_t>(top / 64)];
  std::vector<double> w(static_cast<std::size_t>(last - first));
  std::vector<double> tw(w.size());
  for (int c = begin; c < end; ++c) {
    for (int i = first; i < last; ++i) {
      w[static_cast<std::size_t>(i - first)] =
          RowSum<double>(top, top, qr.m, [&](int r) { return qr.v(r, i) * qr.a(r, c); });
    }
    for (int i = first; i < last; ++i) {
      double sum = 0;
      for (int k = first; k <= i; ++k) {
        sum += t(k - top, i - top) * w[static_cast<std::size_t>(k - first)];
      }
      tw[static_cast<std::size_t>(i - first)] = sum;
    }
    for (int r = top; r < qr.m; ++r) {
      for (int i = first; i < last; ++i) {
        qr.a(r, c) -= qr.v(r, i) * tw[static_cast<std::size_t>(i - first)];
      }
    }
  }
}

void Reflect(Qr& qr, int top, int j, int group_end) {
  std::vector<double> s(static_cast<std::size_t>(group_end - j));
  for (int c = j; c < group_end; ++c) {
    s[static_cast<std::size_t>(c - j)] =
        RowSum<double>(top, j + 1, qr.m, [&](int r) { return qr.a(r, j) * qr.a(r, c); });
  }
  const double alpha = qr.a(j, j);
  qr.v(j, j) = 1;
  if (s[0] < 0x1p-900) {
    qr.negative[static_cast<std::size_t>(j)] = alpha < 0;
    return;
  }
  const double norm = std::sqrt(alpha * alpha + s[0]);
  const double beta = alpha < 0 ? norm : -norm;
  const double scale = 1 / (alpha - beta);
  const double tau = (beta - alpha) / beta;
  qr.tau[static_cast<std::size_t>(j)] = tau;
  qr.negative[static_cast<std::size_t>(j)] = beta < 0;
  for (int r = j + 1; r < qr.m; ++r) qr.v(r, j) = qr.a(r, j) * scale;
  for (int c = j + 1; c < group_end; ++c) {
    const double t = tau * (qr.a(j, c) + scale * s[static_cast<std::size_t>(c - j)]);
    qr.a(j, c) -= t;
    for (int r = j + 1; r < qr.m; ++r) qr.a(r, c) -= qr.v(r, j) * t;
  }
}

void ExtendT(Qr& qr, int top, int j) {
  Matrix<double>& t = qr.ts[static_cast<std::size_t>(top / 64)];
  const double tau = qr.tau[static_cast<std::size_t>(j)];
  for (int i = top; i < j; ++i) {
    double sum = 0;
    for (int k = i; k < j; ++k) {
      sum += t(i - top, k - top) *
             RowSum<double>(top, top, qr.m, [&](int r) { return qr.v(r, k) * qr.v(r, j); });
    }
    t(i - top, j - top) = -tau * sum;
  }
  t(j - top, j - top) = tau;
}

void Factor(Qr& qr) {
  for (int top = 0; top < qr.n; top += 64) {
    const int end = std::min(top + 64, qr.n);
    qr.ts.emplace_back(64, 64);
    for (int group = top; group < end; group += 16) {
      const int group_end = std::min(group + 16, end);
      if (group > top) Update(qr, top, top, group, group, group_end);
      for (int j = group; j < group_end; ++j) Reflect(qr, top, j, group_end);
      for (int j = group; j < group_end; ++j) ExtendT(qr, top, j);
    }
    Update(qr, top, top, end, end, qr.n);
  }
}

// Q in type T: binary32 or binary64.
template <class T>
Matrix<T> Form(Qr& qr) {
  Matrix<T> q(qr.m, qr.n);
  for (int j = 0; j < qr.n; ++j) q(j, j) = 1;
  for (int top = (qr.n - 1) / 64 * 64; top >= 0; top -= 64) {
    const int end = std::min(top + 64, qr.n);
    Matrix<double>& t = qr.ts[static_cast<std::size_t>(top / 64)];
    const auto v = [&](int r, int i) { return static_cast<T>(qr.v(r, i)); };
    for (int c = top; c < qr.n; ++c) {
      std::vector<T> w(64), tw(64);
      for (int i = top; i < end; ++i) {
        w[static_cast<std::size_t>(i - top)] =
            RowSum<T>(top, top, qr.m, [&](int r) { return v(r, i) * q(r, c); });
      }
      for (int i = top; i < end; ++i) {
        T sum = 0;
        for (int k = i; k < end; ++k) {
          sum += static_cast<T>(t(i - top, k - top)) * w[static_cast<std::size_t>(k - top)];
        }
        tw[static_cast<std::size_t>(i - top)] = sum;
      }
      for (int r = top; r < qr.m; ++r) {
        for (int i = top; i < end; ++i) q(r, c) -= v(r, i) * tw[static_cast<std::size_t>(i - top)];
      }
    }
  }
  return q;
}

template <class T>
std::vector<T> OrthogonalFactor(int rows, int cols, const std::vector<float>& g) {
  const int m = std::max(rows, cols);
  const int n = std::min(rows, cols);
  const auto index = [&](int r, int c) {
    return static_cast<std::size_t>(rows < cols ? c * m + r : r * n + c);
  };
  Qr qr = {m, n, Matrix<double>(m, n), Matrix<double>(m, n), {}, {}, {}};
  qr.tau.resize(static_cast<std::size_t>(n));
  qr.negative.resize(static_cast<std::size_t>(n));
  for (int r = 0; r < m; ++r) {
    for (int c = 0; c < n; ++c) qr.a(r, c) = static_cast<double>(g[index(r, c)]) + 0.0;
  }
  Factor(qr);
  Matrix<T> q = Form<T>(qr);
  std::vector<T> result(g.size());
  for (int r = 0; r < m; ++r) {
    for (int c = 0; c < n; ++c) {
      const T x = q(r, c);
      result[index(r, c)] = qr.negative[static_cast<std::size_t>(c)] ? 0 - x : x;
    }
  }
  return result;
}

}  // namespace

std::vector<float> TranscribedFactor32(int rows, int cols, const std::vector<float>& g) {
  return OrthogonalFactor<float>(rows, cols, g);
}

std::vector<double> TranscribedFactor64(int rows, int cols, const std::vector<float>& g) {
  return OrthogonalFactor<double>(rows, cols, g);
}

}  // namespace weightinit::test
