#include "fetchers/reading/worker/process.h"

#include <libxml/parser.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <deque>
#include <new>
#include <vector>

#include "evidence/formats/digests.h"
#include "evidence/system/child_process.h"
#include "evidence/system/frames.h"
#include "evidence/system/worker_start.h"
#include "fetchers/reading/worker/charset.h"
#include "fetchers/reading/worker/media_type.h"
#include "fetchers/reading/worker/page_reading.h"
#include "fetchers/reading/worker/rights.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t block_bytes = 64u << 10;
constexpr std::size_t queue_bytes_max = 64u << 20;
constexpr std::size_t unsent_bytes_max = 1u << 20;  // beyond it the agent is waited for
constexpr rlim_t memory_bytes_max = 512u << 20;
constexpr rlim_t files_max = 32;

/// Sends rows in messages of a good size, and waits for the agent rather than hoarding them.
class Answers {
 public:
  Answers(FrameLine& line, std::uint64_t job) : line_(line), job_(job) {}

  void add(FoundReference row) {
    bytes_ += row_bytes(row);
    found_.push_back(std::move(row));
    if (found_.size() >= rows_max || bytes_ >= rows_bytes_max) tell_found();
  }

  Result<void> end(PageFacts facts) {
    tell_found();
    std::vector<ListedItem> rows;
    std::size_t bytes = 0;
    auto const tell_listed = [&] {
      if (!rows.empty()) tell(ListedRows{job_, std::exchange(rows, {})});
      bytes = 0;
    };
    if (facts.list)
      for (ListedItem& item : *facts.list) {
        bytes += row_bytes(item);
        rows.push_back(std::move(item));
        if (rows.size() >= rows_max || bytes >= rows_bytes_max) tell_listed();
      }
    tell_listed();
    tell(PageRead{job_, std::move(facts)});
    return said_;
  }

 private:
  void tell_found() {
    if (!found_.empty()) tell(FoundRows{job_, std::exchange(found_, {})});
    bytes_ = 0;
  }

  void tell(FromReader const& message) {
    if (!said_) return;
    if (auto sent = line_.send(to_frame(message)); !sent) said_ = std::move(sent);
    while (said_ && line_.unsent_bytes() > unsent_bytes_max) {
      pollfd waiting{line_.number(), POLLOUT, 0};
      ::poll(&waiting, 1, -1);
      if (auto flushed = line_.flush(); !flushed) said_ = std::move(flushed);
    }
  }

  FrameLine& line_;
  std::uint64_t job_;
  std::vector<FoundReference> found_;
  std::size_t bytes_ = 0;
  Result<void> said_ = ok();
};

/// Exactly as many bytes as were announced, from a file or memory that nobody changes.
Result<void> feed(PageReading& reading, int body, std::uint64_t size) {
  struct stat facts {};
  if (::fstat(body, &facts) != 0) return from_errno(errno, "cannot look at the body", {});
  if (!S_ISREG(facts.st_mode) || static_cast<std::uint64_t>(facts.st_size) != size)
    return Error{Code::malformed, "the body is not what was announced", {}, {}};
  std::vector<char> block(block_bytes);
  for (std::uint64_t at = 0; at < size;) {
    std::size_t const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), size - at));
    ssize_t const got = ::pread(body, block.data(), wanted, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return from_errno(got < 0 ? errno : EIO, "cannot read the body", {});
    at += static_cast<std::uint64_t>(got);
    if (!reading.write({block.data(), static_cast<std::size_t>(got)})) break;
  }
  return ok();
}

Result<PageFacts> facts_of(ReadPage const& wanted, int body, Answers& answers) {
  try {
    PageReading reading{wanted, [&](FoundReference found) { answers.add(std::move(found)); }};
    IMPOUND_CHECK(feed(reading, body, wanted.size));
    return reading.finish();
  } catch (std::bad_alloc const&) {  // RLIMIT_AS; what was asked for is free again
    PageFacts facts;
    facts.refusals.push_back({Refused::memory, "reading it takes too much memory"});
    return facts;
  }
}

Result<void> run(FrameLine& line) {
  IMPOUND_CHECK(line.send(to_frame(ReaderHello{reader_protocol_version})));
  std::vector<Descriptor> handed;
  std::deque<Descriptor> bodies;
  while (true) {
    pollfd waiting{line.number(), static_cast<short>(line.unsent() ? POLLIN | POLLOUT : POLLIN), 0};
    ::poll(&waiting, 1, -1);
    IMPOUND_CHECK(line.flush());
    IMPOUND_TRY(open, line.receive(&handed));
    for (Descriptor& one : handed) bodies.push_back(std::move(one));
    handed.clear();
    while (true) {
      IMPOUND_TRY(frame, line.next());
      if (!frame) break;
      IMPOUND_TRY(wanted, read_page_from(*frame));
      if (bodies.empty()) return Error{Code::malformed, "a page without its body", {}, {}};
      Descriptor const body = std::move(bodies.front());
      bodies.pop_front();
      Answers answers{line, wanted.job};
      IMPOUND_TRY(facts, facts_of(wanted, body.number(), answers));
      IMPOUND_CHECK(answers.end(std::move(facts)));
    }
    if (!open) return ok();
  }
}

/// What lies in files, or is made at the first use and would look for them.
Result<void> load() {
  IMPOUND_CHECK(load_media_types());
  if (load_charsets() == 0) return Error{Code::io, "there are no converters of character encodings (glibc)", {}, {}};
  ::xmlInitParser();
  static_cast<void>(sha256({}));
  return ok();
}

void set_limits() {
#if !defined(__SANITIZE_ADDRESS__)  // gcc's, which reserves more than any machine has
  rlimit const memory{memory_bytes_max, memory_bytes_max};
  ::setrlimit(RLIMIT_AS, &memory);
#endif
  rlimit const files{files_max, files_max};
  ::setrlimit(RLIMIT_NOFILE, &files);
  rlimit const no_file{0, 0};
  ::setrlimit(RLIMIT_FSIZE, &no_file);
}

}  // namespace

int run_reader(int landlock_abi_max) {
  if (!started_by_agent("impound-reader-worker")) return worker_by_hand_exit;
  if (auto const loaded = load(); !loaded) {
    std::fprintf(stderr, "impound-reader-worker: %s\n", impound::line(loaded.error()).c_str());
    return 1;
  }
  set_limits();
  // From here on, whoever takes this process over has the pages it is handed and its line, and nothing else.
  if (!confined(reader_rights(), landlock_abi_max)) return worker_refused_exit;
  FrameLine line{Descriptor{child_socket}, queue_bytes_max};
  auto const ran = run(line);
  if (ran) return 0;
  std::fprintf(stderr, "impound-reader-worker: %s\n", impound::line(ran.error()).c_str());
  return 1;
}

}  // namespace impound::fetchers
