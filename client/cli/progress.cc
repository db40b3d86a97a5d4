#include "client/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "client/cli/terminal.h"

namespace weightinit::client {
namespace {

std::string Duration(double seconds) {
  const auto whole = std::llround(seconds);
  char text[64];
  if (whole < 60) {
    std::snprintf(text, sizeof text, "%lld s", whole);
  } else if (whole < 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld min", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld h", whole / 3600, whole / 60 % 60);
  }
  return text;
}

void WriteToStderr(const std::string& text) {
  // A terminal that is gone is no reason to stop.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

std::string ProgressLine(std::int64_t done, std::int64_t total, double seconds, std::size_t width,
                         std::int64_t before) {
  const double share =
      total > 0 ? std::min(1.0, static_cast<double>(done) / static_cast<double>(total)) : 1;
  const double rate = seconds > 0 ? static_cast<double>(done - before) / seconds : 0;
  char percent[16];
  std::snprintf(percent, sizeof percent, "] %3.0f%%  ", 100 * share);
  std::string rest = percent + HumanBytes(static_cast<double>(done)) + " of " +
                     HumanBytes(static_cast<double>(total)) + "  " + HumanBytes(rate) + "/s";
  if (rate > 0 && done < total)
    rest += "  " + Duration(static_cast<double>(total - done) / rate) + " left";
  const std::size_t bar =
      std::min<std::size_t>(30, width > rest.size() + 2 ? width - rest.size() - 2 : 0);
  const auto full = static_cast<std::size_t>(share * static_cast<double>(bar));
  std::string line = "[";
  for (std::size_t i = 0; i < bar; ++i) line += i < full ? "█" : " ";
  return Cut(line + rest, width);
}

Progress::Progress(std::int64_t total_bytes, bool shown, std::int64_t before)
    : total_(total_bytes),
      before_(before),
      start_(std::chrono::steady_clock::now()),
      done_(before) {
  constexpr std::int64_t kLarge = 4'000'000;
  if (!shown) return;
  drawn_ = total_ >= kLarge;
  if (drawn_) Draw();
  thread_ = std::jthread([this](const std::stop_token& stop) { Show(stop); });
}

Progress::~Progress() = default;  // the thread ends its line when it is stopped

void Progress::Draw() const {
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
  const std::size_t width = Terminal(STDERR_FILENO).width();  // windows change their size
  WriteToStderr("\r\x1b[K" +
                ProgressLine(done_.load(), total_, seconds.count(), width - 1, before_));
}

void Progress::Show(const std::stop_token& stop) {
  // Small work that is done by then needs no bar; ten times a second is as fluent as a bar gets.
  constexpr auto kMoment = std::chrono::milliseconds(300);
  constexpr auto kBetween = std::chrono::milliseconds(100);
  std::unique_lock lock(mutex_);
  for (auto wait = drawn_ ? kBetween : kMoment;; wait = kBetween) {
    wake_.wait_for(lock, stop, wait, [] { return false; });
    if (stop.stop_requested()) break;
    Draw();
    drawn_ = true;
  }
  if (!drawn_) return;
  if (done_.load() < total_) {
    WriteToStderr("\r\x1b[K");
    return;
  }
  Draw();
  WriteToStderr("\n");
}

}  // namespace weightinit::client
