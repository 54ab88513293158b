// The agent's side of the reader: hands pages to impound-reader-worker, one at a time, and checks what it says.
//
// The worker parses what strangers wrote and may be taken over by it: no word of it is believed. What can be checked is
// (a magnet names the hashes it says, a URL is one, a key fits the profile), the rest is bounded; a lie ends the
// worker. A worker that dies, lies or takes too long costs the page it reads a refusal by name, Refused::reader; what
// it told of that page before and could be checked is kept. The next page gets a new worker, but where one could not
// enter its sandbox: then every page is refused. One that ran out of memory, or has read many pages, is replaced, so
// that neither what it leaks nor who took it over lasts.
//
// One thread; and since the worker dies with the thread that started it, one that lives as long as the Reader.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "evidence/system/worker_process.h"
#include "fetchers/reading/reader_messages.h"

namespace impound::fetchers {

struct ReaderSettings {
  std::string worker_program;  // the path of impound-reader-worker
  ReaderLimits limits{};
  std::chrono::milliseconds late_after{5'000};  // beyond limits.time_max: then the worker is killed
  std::chrono::milliseconds hello_within{20'000};
  std::uint64_t pages_of_a_worker_max = 1'000;
};

/// A worker that went without being told to.
struct ReaderEnded {
  pid_t worker = -1;
  WorkerEnd end;
};

class Reader {
 public:
  explicit Reader(ReaderSettings settings);
  ~Reader();
  Reader(Reader const&) = delete;
  Reader& operator=(Reader const&) = delete;

  /// What the page holds, in time_max + late_after at most. `profile`: for the page's answer and its list, or null.
  /// `body`: a regular file or sealed memory of `size` bytes that nobody changes meanwhile; borrowed, read from its
  /// beginning. Never an error: what could not be read is a refusal.
  PageFacts read(PageOrder order, SiteProfile const* profile, int body, std::uint64_t size);
  /// The same of bytes in memory.
  PageFacts read(PageOrder order, SiteProfile const* profile, std::string_view body);

  /// The worker that went during the last read(), once.
  std::optional<ReaderEnded> take_ended() { return std::exchange(ended_, std::nullopt); }
  /// Its process id, -1 while none runs.
  pid_t worker() const { return worker_ ? worker_->id() : -1; }

 private:
  struct Job;
  Result<void> start();
  Result<void> greet();
  Result<void> ask(Job& job, PageOrder const& order, int body, std::uint64_t size);
  Result<bool> take(Job& job, Frame const& frame);
  void end(std::string why);
  void replace_worn_out(PageFacts const& facts);

  ReaderSettings settings_;
  std::unique_ptr<WorkerProcess> worker_;
  std::optional<ReaderEnded> ended_;
  std::optional<Error> refused_;  // it could not enter its sandbox: another try would end alike
  std::uint64_t jobs_ = 0;
  std::uint64_t pages_ = 0;  // of this worker
};

}  // namespace impound::fetchers
