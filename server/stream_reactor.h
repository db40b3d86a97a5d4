// One answered stream: messages are made on the pool while the one before is being written.
#ifndef WEIGHTINIT_SERVER_STREAM_REACTOR_H_
#define WEIGHTINIT_SERVER_STREAM_REACTOR_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "proto/convert_status.h"
#include "server/call_observer.h"
#include "server/catch_all.h"
#include "server/effort.h"
#include "server/gatekeeper.h"
#include "server/hand_over.h"
#include "server/idle_watch.h"
#include "server/refusals.h"
#include "server/stream_memory.h"
#include "server/stream_slots.h"
#include "server/worker_pool.h"

namespace weightinit::server {

// Makes the messages of one stream.
template <typename Message>
class Producer {
 public:
  virtual ~Producer() = default;

  // Calls come one at a time. `cancelled` turns true when no one waits any more: then return
  // CANCELLED soon.

  // Reads the request. Called once, before anything else; after an error nothing
  // follows. Returns what the memory of its messages was promised, kept until the last has left;
  // nullptr for small ones.
  virtual absl::StatusOr<StreamMemory::Share> Start(const std::function<bool()>& cancelled) = 0;

  // What the next call, of Start or Next, costs. Called on any thread.
  virtual Effort NextEffort() const = 0;

  // The next message, nullopt after the last.
  virtual absl::StatusOr<std::optional<Message>> Next(const std::function<bool()>& cancelled) = 0;

  // Whether the last message has been made. Asked after Next.
  virtual bool IsDone() const = 0;

  // Called once, after everything else, whatever came before: tells who watches what was drawn, and
  // returns what the call was about.
  virtual CallFacts End(CallObserver& observer) = 0;
};

// Writes what a producer makes. At most one message is being written and `ahead` more are ready or
// being made, so that a slow reader stops the producer. A reader that is gone or out of time stops
// it too, before its next message. Messages are made one by one, each a task of its own: streams
// take turns on the pool, however far ahead they may run.
//
// The last message leaves together with the call's status: one packet and one wait less, half of
// what a small answer takes.
//
// Threads: gRPC calls OnWriteDone, OnCancel and OnDone, the pool calls Make, in any order
// and at once. Every step locks, decides what follows from the state, and acts after unlocking.
// The call is finished only while neither the pool nor an earlier write holds this object, which
// OnDone then deletes.
template <typename Message>
class StreamReactor final : public grpc::ServerWriteReactor<Message> {
 public:
  // `pool`, `observer` and `watch` must outlive the stream; `context` is its call's. REQUIRES:
  // ahead ≥ 1
  StreamReactor(WorkerPool& pool, int ahead, std::unique_ptr<Producer<Message>> producer,
                StreamSlots::Slot slot, Gatekeeper::Pass pass, Method method,
                const grpc::CallbackServerContext& context, CallObserver& observer,
                IdleWatch& watch)
      : pool_(pool),
        ahead_(static_cast<std::size_t>(ahead)),
        slot_(std::move(slot)),
        pass_(std::move(pass)),
        method_(method),
        context_(context),
        peer_(context.peer()),
        observer_(observer),
        watched_(watch.Watch(context, progress_)),
        producer_(std::move(producer)) {}

  // Starts making the first message. Call once.
  void Begin() {
    HandOver(this);
    Step([](State&) {});
  }

  void OnWriteDone(bool ok) override {
    TakeOver(this);
    writing_
        .reset();  // lets go of the message's memory; no one else touches it until the next write
    progress_.EndWrite();
    if (!ok) cancelled_.store(true);
    Step([](State& state) { state.is_writing = false; });
    HandOver(this);  // to OnDone, which waits for this to return
  }

  void OnCancel() override {
    TakeOver(this);
    cancelled_.store(true);
    Step([](State&) {});
    HandOver(this);
  }

  void OnDone() override {
    TakeOver(this);
    watched_.reset();  // before the context goes
    if (progress_.is_cut.load()) end_ = ReaderIsStuck();
    // The last message leaves with the status: its reader may still have gone before it.
    if (end_.ok() && cancelled_.load()) end_ = Gone();
    if (producer_ != nullptr) EndProducer();
    observer_.OnEnd(
        {method_, end_, facts_, queued_, Clock::now() - begin_, context_, peer_, pass_.name()});
    delete this;
  }

 private:
  using Clock = std::chrono::steady_clock;

  struct State {
    bool is_making = false;
    bool is_writing = false;
    bool is_exhausted = false;  // the producer has ended, well or not
    bool is_finished = false;
    std::deque<Message> ready;
    absl::Status end;
  };

  static absl::Status Gone() { return absl::CancelledError("the caller is gone or out of time"); }

  template <typename Change>
  void Step(Change change) {
    bool write = false, make = false, finish = false;
    {
      const std::lock_guard lock(mutex_);
      change(state_);
      if (cancelled_.load()) {
        state_.ready.clear();
        state_.is_exhausted = true;
        if (state_.end.ok()) state_.end = Gone();
      }
      if (!state_.is_writing && !state_.ready.empty()) {
        write = state_.is_writing = true;
        writing_ = std::move(state_.ready.front());
        state_.ready.pop_front();
      }
      if (!state_.is_making && state_.ready.size() < ahead_ && !state_.is_exhausted) {
        make = state_.is_making = true;
      }
      const bool is_all = state_.is_exhausted && state_.ready.empty() && !state_.is_making;
      const bool is_free = write ? state_.end.ok() : !state_.is_writing;
      if (is_all && is_free && !state_.is_finished) {
        finish = state_.is_finished = true;
        end_ = state_.end;
      }
    }
    // Unless one of these is to be done, another thread may already be deleting this object. First
    // what others do meanwhile: to begin a write takes as long as to copy it to the socket.
    if (make) MakeNext();
    if (write || finish) HandOver(this);
    if (write) progress_.BeginWrite();
    if (write && finish) {
      this->StartWriteAndFinish(&*writing_, grpc::WriteOptions(), grpc::Status::OK);
    } else if (write) {
      this->StartWrite(&*writing_);
    } else if (finish) {
      this->Finish(proto::ToGrpcStatus(end_));
    }
  }

  // REQUIRES: the caller has set is_making, and so owns the producer.
  void MakeNext() {
    switch (producer_->NextEffort()) {
      case Effort::kTrivial:
        // Comes back to Step, at most `ahead` deep. With more streams than threads all queue: one
        // that can always be written to would never let the others have a turn. But who asks for
        // little does not wait behind all of these: to begin and the first message take none.
        if (!has_made_ || slot_->taken() <= pool_.threads()) return Make();
        [[fallthrough]];
      case Effort::kShort:
        return pool_.Post([this] { Make(); });
      case Effort::kLong:
        return pool_.PostLong([this] { Make(); });
    }
  }

  void Make() { is_started_ ? Next() : Start(); }

  void Start() {
    is_started_ = true;
    queued_ = Clock::now() - begin_;
    absl::StatusOr<StreamMemory::Share> share =
        UnlessCancelled([this](const auto& cancelled) { return producer_->Start(cancelled); });
    if (!share.ok()) return Made(share.status());
    share_ = *std::move(share);
    MakeNext();
  }

  void Next() {
    has_made_ = true;
    Made(UnlessCancelled([this](const auto& cancelled) { return producer_->Next(cancelled); }));
  }

  template <typename Function>
  auto UnlessCancelled(const Function& function) -> decltype(function(std::function<bool()>())) {
    if (cancelled_.load()) return Gone();
    return CatchAll([&] { return function([this] { return cancelled_.load(); }); });
  }

  void Made(absl::StatusOr<std::optional<Message>> next) {
    const bool is_last = !next.ok() || !next->has_value() || producer_->IsDone();
    if (is_last) EndProducer();
    Step([&next, is_last](State& state) {
      state.is_making = false;
      state.is_exhausted = state.is_exhausted || is_last;
      if (!next.ok()) {
        state.end = next.status();
      } else if (next->has_value()) {
        state.ready.push_back(**std::move(next));
      }
    });
  }

  // What it holds may be large.
  void EndProducer() {
    static_cast<void>(CatchAll([this] {
      facts_ = producer_->End(observer_);
      return absl::OkStatus();
    }));
    producer_.reset();
  }

  WorkerPool& pool_;
  const std::size_t ahead_;
  const StreamSlots::Slot slot_;
  const Gatekeeper::Pass pass_;
  const Method method_;
  const grpc::CallbackServerContext& context_;
  const std::string peer_;
  CallObserver& observer_;
  StreamProgress progress_;
  IdleWatch::Watched watched_;
  const Clock::time_point begin_ = Clock::now();
  std::atomic<bool> cancelled_{false};

  std::mutex mutex_;
  State state_;  // guarded by mutex_

  std::unique_ptr<Producer<Message>> producer_;  // belongs to whoever has set state_.is_making
  bool is_started_ = false;                      // likewise
  bool has_made_ = false;                        // likewise; a message, or tried to
  Clock::duration queued_{0};                    // likewise
  CallFacts facts_;                              // likewise; of a producer that has ended
  StreamMemory::Share share_;                    // likewise
  std::optional<Message> writing_;               // belongs to gRPC while state_.is_writing
  absl::Status end_;                             // written before Finish, read in OnDone
};

// Ends a call at once with an error.
template <typename Message>
class RefusingReactor final : public grpc::ServerWriteReactor<Message> {
 public:
  explicit RefusingReactor(const absl::Status& status) {
    this->Finish(proto::ToGrpcStatus(status));
    HandOver(this);  // only now: gRPC first hears of it when the call has been answered with it
  }
  void OnDone() override {
    TakeOver(this);
    delete this;
  }
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_STREAM_REACTOR_H_
