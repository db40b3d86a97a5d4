// A read from servers: several calls at once, each resumed where it broke, all values checked.
//
// Values are what one stream of one server would have sent, whatever servers sent them: every call
// is stateless, so that what is left of a broken one is asked of whoever answers. What came before
// the break has no trailer; its digest is asked for by itself, by Summarize.
#ifndef WEIGHTINIT_CLIENT_TRANSFER_H_
#define WEIGHTINIT_CLIENT_TRANSFER_H_

#include <grpcpp/channel.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/backend.h"
#include "client/backoff.h"
#include "client/call.h"
#include "client/chunk_receiver.h"
#include "client/known_recipes.h"
#include "client/retry.h"
#include "client/transfer_plan.h"

namespace weightinit::client {

struct TransferOptions {
  bool digest = true;  // ask for digests and compare
  Deadline deadline;   // of everything
  // For how long to try again after a break, once a server was there; 0: not at all.
  std::chrono::milliseconds retry_for{0};
  std::string target;  // for errors
  // As RemoteOptions::on_break.
  std::function<void(const absl::Status&)> on_break;
};

// Thread-safety: for one thread, which calls Run once.
class Transfer {
 public:
  // `model`, `selections` (none: everything), `bound` (what they bound to), `known` (recipes that
  // the servers have seen) and `receiver` must outlive this.
  Transfer(const Model& model, std::span<const Selection> selections,
           std::span<const BoundSelection> bound, TransferOptions options, KnownRecipes& known,
           Receiver& receiver);

  // Reads over all of the channels at once, one thread for each; this one is the first. Errors: as
  // Backend::Read; the first ends all calls.
  absl::Status Run(std::span<const std::shared_ptr<grpc::Channel>> channels,
                   const std::stop_token& stop);

 private:
  // What came before a break, and what this client computed over it.
  struct Unchecked {
    TransferPart part;
    std::uint64_t digest = 0;
  };
  // What is left of a batch.
  struct Rest {
    std::vector<TransferPart> parts;
    std::optional<Unchecked> unchecked;
  };
  // What a try came to.
  struct Outcome {
    absl::Status status;
    bool is_servers = false;      // said by the call, not found here
    bool something_came = false;  // the rest is smaller than before
    bool misread = false;         // nothing came, maybe for want of the recipe itself
  };

  void Work(const std::shared_ptr<grpc::Channel>& channel);
  // nullopt: there is no more to do, and this thread no longer counts.
  std::optional<Rest> Next();
  // Whether other threads are at work.
  bool HasOthers();
  // Leaves `rest` to whoever comes first. With `leaves` this thread no longer counts, unless it is
  // the only one left. Returns whether it still does.
  bool PutBack(const Rest& rest, bool leaves);
  // False: this thread has no more to do. `busy`: how often in a row the server had no room for it.
  bool ReadRest(const std::shared_ptr<grpc::Channel>& channel, Rest& rest, int& busy);
  // One try. After an error, `rest` is what it left.
  Outcome Try(const std::shared_ptr<grpc::Channel>& channel, Rest& rest);
  // One call, and another with the recipe itself where the first named it in vain.
  // `call(bool by_fingerprint)` makes one.
  template <typename Function>
  Outcome Ask(const Function& call);
  // REQUIRES: nothing unchecked in `rest`
  Outcome ReadOnce(const std::shared_ptr<grpc::Channel>& channel, Rest& rest, bool by_fingerprint);
  Outcome Check(const std::shared_ptr<grpc::Channel>& channel, const Unchecked& unchecked,
                bool by_fingerprint);
  // How long to wait before the next try; nullopt if there is none.
  std::optional<std::chrono::milliseconds> DelayOf(const Outcome& outcome, Backoff& backoff);
  // What is said when there is none.
  absl::Status GivenUp(const Outcome& outcome) const;
  // Until there is nothing left to take, at most.
  void WaitForTurn(std::chrono::milliseconds delay);

  // Request is one with a recipe or its fingerprint.
  template <typename Request>
  Request RequestFor(bool by_fingerprint) const;
  Selection SelectionOf(const TransferPart& part, bool by_fingerprint) const;
  BoundSelection BoundOf(const TransferPart& part) const;
  bool IsEverything(std::span<const TransferPart> parts) const;
  absl::Status Done(std::size_t selection, std::uint64_t digest);
  void Fail(const absl::Status& status);

  class PartReceiver;
  // Of one selection: what its parts add up to, and how many are still to come.
  struct Progress {
    std::uint64_t digest = 0;
    std::int64_t parts_left = 0;
  };

  const Model& model_;
  const std::span<const Selection> selections_;
  const std::span<const BoundSelection> bound_;
  const TransferOptions options_;
  KnownRecipes& known_;
  Receiver& receiver_;
  std::stop_source stop_;  // the user's, and that of the first error

  std::atomic<std::int64_t> bytes_taken_{0};
  std::atomic<bool> was_connected_{false};
  std::atomic<bool> break_told_{false};
  std::mutex mutex_;  // guards what follows
  std::deque<Rest> to_do_;
  std::condition_variable_any all_taken_;
  std::size_t threads_ = 0;         // that take from it
  std::vector<Progress> progress_;  // by selection
  absl::Status status_;             // the first error
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_TRANSFER_H_
