#include "agent/work/recorder.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "evidence/timestamps/stamping_entry.h"

namespace impound::agent {

namespace {

constexpr std::chrono::milliseconds publish_after{1000};
constexpr std::size_t group_entries_max = 1000;

evidence::EntryDraft disk_full(std::string const& doing) {
  return {.kind = "limit.reached", .body = {{"limit", "disk"}, {"doing", doing}}};
}

Error told(Error const& error) {
  spdlog::error("the custody log: {}", line(error));
  return error;
}

}  // namespace

Recorder::Recorder(std::unique_ptr<evidence::CustodyLog> log, evidence::EntryMaker maker, evidence::ClockSteps steps,
                   Room room)
    : log_(std::move(log)), maker_(std::move(maker)), steps_(steps), room_(std::move(room)), thread_([this] {
        run();
      }) {
  ::pthread_setname_np(thread_.native_handle(), "recorder");
}

Recorder::~Recorder() { (void)stop(); }

Result<std::vector<EntryId>> Recorder::ask(std::vector<evidence::EntryDraft> drafts, std::optional<Rotation> rotation) {
  std::future<Result<std::vector<EntryId>>> answer;
  {
    std::lock_guard const hold{lock_};
    if (stopping_) return Error{Code::io, "the custody log is closed", {}, {}};
    waiting_.push_back(Request{std::move(drafts), std::move(rotation), {}});
    answer = waiting_.back().answer.get_future();
  }
  arrived_.notify_one();
  return answer.get();
}

Result<std::vector<EntryId>> Recorder::record(std::vector<evidence::EntryDraft> drafts) {
  if (drafts.empty()) return std::vector<EntryId>{};
  return ask(std::move(drafts));
}

Result<EntryId> Recorder::record(evidence::EntryDraft draft) {
  std::vector<evidence::EntryDraft> one;
  one.push_back(std::move(draft));
  IMPOUND_TRY(ids, ask(std::move(one)));
  return ids.front();
}

Result<EntryId> Recorder::rotate(evidence::SigningKey const& next, std::string reason, evidence::By by) {
  IMPOUND_TRY(ids, ask({}, Rotation{&next, std::move(reason), std::move(by)}));
  return ids.front();
}

Result<void> Recorder::tell_disk_full(std::string const& doing) {
  if (disk_full_told_.exchange(true)) return ok();
  auto told = record(disk_full(doing));
  if (told) return ok();
  disk_full_told_ = false;
  return std::move(told).error();
}

Result<void> Recorder::tell_room(std::uint64_t free_bytes) {
  IMPOUND_CHECK(record({.kind = "limit.left", .body = {{"limit", "disk"}, {"free_bytes", json_number(free_bytes)}}}));
  disk_full_told_ = false;
  return ok();
}

Result<void> Recorder::publish() {
  IMPOUND_CHECK(ask({}));
  return ok();
}

Result<void> Recorder::stop() {
  Result<void> said = ok();
  if (thread_.joinable()) {
    said = publish();
    {
      std::lock_guard const hold{lock_};
      stopping_ = true;
    }
    arrived_.notify_one();
    thread_.join();
  }
  return said;
}

void Recorder::run() {
  for (;;) {
    std::deque<Request> batch = wait_for_requests();
    if (!batch.empty() && batch.front().rotation) {
      auto rotated = hand_over(*batch.front().rotation);
      batch.front().answer.set_value(rotated ? Result<std::vector<EntryId>>(std::vector<EntryId>{rotated.value()})
                                             : Result<std::vector<EntryId>>(rotated.error()));
      continue;
    }
    if (!batch.empty()) {
      serve(std::move(batch));
      continue;
    }
    publish_when_due(false);
    {
      std::lock_guard const hold{lock_};
      if (!stopping_ || !waiting_.empty()) continue;
    }
    publish_when_due(true);  // what came in between stop()'s own publish and its word
    return;
  }
}

/// Requests until a group is full; none when it is time to publish, or to end.
std::deque<Recorder::Request> Recorder::wait_for_requests() {
  std::unique_lock hold{lock_};
  auto const something = [this] { return !waiting_.empty() || stopping_; };
  if (unsigned_since_)
    arrived_.wait_until(hold, *unsigned_since_ + publish_after, something);
  else
    arrived_.wait(hold, something);
  // A steady stream of entries must not put the signature off.
  if (unsigned_since_ && std::chrono::steady_clock::now() >= *unsigned_since_ + publish_after) return {};
  std::deque<Request> batch;
  std::size_t entries = 0;
  while (!waiting_.empty() && entries < group_entries_max) {
    if (waiting_.front().rotation && !batch.empty()) break;
    bool const alone = waiting_.front().rotation.has_value();
    entries += waiting_.front().drafts.size();
    batch.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    if (alone) break;
  }
  return batch;
}

/// The one entry that is made for its place in the log: nothing may come between the signatures and it.
Result<EntryId> Recorder::hand_over(Rotation const& rotation) {
  if (auto const step = poisoned_ ? std::nullopt : steps_.look()) {
    IMPOUND_TRY(made, maker_.make(*step));
    if (auto const appended = log_->append(std::span{&made.bytes, 1}); !appended) poisoned_ = told(appended.error());
  }
  publish_when_due(true);
  if (poisoned_) return *poisoned_;
  evidence::EntryDraft draft{"key.rotated", {}, {}, {}, {}, rotation.by, {}};
  draft.body = evidence::rotation_body(log_->signing_key(), *rotation.next, log_->checkpoint(), rotation.reason);
  IMPOUND_TRY(entry, maker_.make(draft));
  if (auto const rotated = log_->rotate(entry.bytes, *rotation.next); !rotated) {
    if (log_->poisoned()) poisoned_ = told(rotated.error());
    return rotated.error();
  }
  spdlog::info("entry kind={} id={}", entry.kind, entry.id.text());
  return entry.id;
}

void Recorder::serve(std::deque<Request> batch) {
  std::vector<std::string> entries;
  std::vector<std::pair<Request*, std::vector<EntryId>>> good;
  bool publish_asked = false;
  bool const anything = std::any_of(batch.begin(), batch.end(), [](Request const& r) { return !r.drafts.empty(); });
  evidence::ClockSteps const steps_before = steps_;
  if (auto const step = anything && !poisoned_ ? steps_.look() : std::nullopt)
    if (auto made = maker_.make(*step)) entries.push_back(std::move(made.value().bytes));
  for (Request& request : batch) {
    std::vector<EntryId> ids;
    std::optional<Error> wrong = poisoned_;
    std::size_t const before = entries.size();
    for (evidence::EntryDraft const& draft : request.drafts) {
      if (wrong) break;
      auto made = maker_.make(draft);
      if (!made) {
        wrong = made.error();
        break;
      }
      ids.push_back(made.value().id);
      entries.push_back(std::move(made.value().bytes));
    }
    if (wrong) {
      entries.resize(before);  // a request is one group, or nothing of it
      request.answer.set_value(*wrong);
      continue;
    }
    publish_asked = publish_asked || request.drafts.empty();
    good.emplace_back(&request, std::move(ids));
  }
  std::optional<Error> refused;  // this batch alone: the log itself goes on
  if (!entries.empty()) {
    auto appended = log_->append(entries);
    if (!appended && appended.error().code == Code::no_space && !log_->poisoned()) {
      room_.make();
      bool const first = !disk_full_told_.exchange(true);
      if (auto told = first ? maker_.make(disk_full("writing the custody log")) : Error{}; told)
        entries.push_back(std::move(told).value().bytes);
      appended = log_->append(entries);
      if (!appended && first) disk_full_told_ = false;
    }
    if (!appended)
      (log_->poisoned() ? poisoned_ : refused) = told(appended.error());
    else if (!unsigned_since_)
      unsigned_since_ = std::chrono::steady_clock::now();
    if (refused) steps_ = steps_before;  // what was not logged is still to be told
  }
  if (publish_asked && !poisoned_) publish_when_due(true);
  for (auto& [request, ids] : good) {
    if (poisoned_ || refused) {
      request->answer.set_value(poisoned_ ? *poisoned_ : *refused);
      continue;
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      evidence::EntryDraft const& draft = request->drafts[i];
      if (!evidence::is_about_timestamps(draft.kind)) ++recorded_;
      spdlog::info("entry kind={} id={}{}", draft.kind, ids[i].text(), draft.of ? " of=" + draft.of->text() : "");
    }
    request->answer.set_value(std::move(ids));
  }
}

void Recorder::publish_when_due(bool asked) {
  if (poisoned_ || log_->published_size() == log_->size()) {
    unsigned_since_.reset();
    return;
  }
  bool const due = unsigned_since_ && std::chrono::steady_clock::now() >= *unsigned_since_ + publish_after;
  if (!asked && !due) return;
  if (!asked && !room_.enough()) {
    // A publish that runs out of room poisons the log. The journal holds what is due until there is room, or a command
    // ends.
    unsigned_since_ = std::chrono::steady_clock::now();
    return;
  }
  if (!room_.enough()) room_.make();
  if (auto published = log_->publish(); !published) poisoned_ = told(published.error());
  unsigned_since_.reset();
}

}  // namespace impound::agent
