#include "agent/work/idle_digests.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::size_t block_bytes = 1024 * 1024;
constexpr std::size_t group_entries_max = 500;
constexpr std::size_t incidents_max = 50;  // of a run; a vault whose objects are gone is a matter for verify

// ioprio_set(2). Its header, linux/ioprio.h, is C alone in newer kernels' versions.
constexpr int ioprio_who_process = 1;
constexpr int ioprio_idle = 3 << 13;

/// Of this thread alone, and as far as the system allows it: who waits for the disk or a core goes first.
void become_idle() {
  ::pthread_setname_np(::pthread_self(), "digests");
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 19);
  (void)::syscall(SYS_ioprio_set, ioprio_who_process, 0, ioprio_idle);
}

}  // namespace

std::jthread IdleDigests::begin() {
  if (due_.objects.empty() || failed_) return {};
  return std::jthread([this](std::stop_token const& stop) { work(stop); });
}

void IdleDigests::work(std::stop_token const& stop) {
  become_idle();
  while (!stop.stop_requested() && !due_.objects.empty())
    if (auto done = step(); !done) {
      failed_ = std::move(done).error();
      return;
    }
}

/// Opens an object, or reads one block of the one that is open.
Result<void> IdleDigests::step() {
  if (!current_) return open_next();
  block_.resize(block_bytes);
  Current& current = *current_;
  auto const count = current.file.read(current.digests.size(), block_);
  if (!count) return incident(current.sha256, line(count.error()));
  if (count.value() > 0) current.digests.add(Bytes{block_}.first(count.value()));
  bool const longer = current.digests.size() > due_.objects.at(current.sha256).size;
  if (count.value() > 0 && !longer) return ok();
  return judge(current.digests.finish());
}

Result<void> IdleDigests::open_next() {
  Sha256 const object = due_.objects.begin()->first;
  auto file = DiskFile::open(session_.disk(), evidence::object_path(object), Open::read);
  if (!file) return incident(object, line(file.error()));
  auto const facts = file.value().facts();
  if (!facts || facts.value().type != FileFacts::Type::file) return incident(object, "not a regular file");
  current_ = Current{object, std::move(file).value(), {}};
  return ok();
}

Result<void> IdleDigests::judge(evidence::HashedThrice const& hashed) {
  Sha256 const object = current_->sha256;
  DigestsDue::Waiting const& waiting = due_.objects.at(object);
  if (hashed.bytes.sha256 != object || hashed.bytes.size != waiting.size)
    return incident(object, "its bytes hash to " + hex(hashed.bytes.sha256));
  std::vector<EntryDraft> drafts;
  for (EntryId const& exhibit : waiting.exhibits)
    drafts.push_back({"exhibit.digested",
                      {{"exhibit", exhibit.text()},
                       {"sha256", hex(object)},
                       {"sha1", hex(hashed.further.sha1)},
                       {"md5", hex(hashed.further.md5)}},
                      {},
                      {},
                      exhibit,
                      {},
                      {}});
  current_.reset();
  due_.objects.erase(object);
  for (std::size_t at = 0; at < drafts.size(); at += group_entries_max) {
    auto const end = drafts.begin() + static_cast<std::ptrdiff_t>(std::min(drafts.size(), at + group_entries_max));
    IMPOUND_CHECK(session_.recorder().record({drafts.begin() + static_cast<std::ptrdiff_t>(at), end}));
  }
  return ok();
}

/// The object is left alone for the rest of the run; after too many of them, all are.
Result<void> IdleDigests::incident(Sha256 const& object, std::string const& detail) {
  EntryId const exhibit = due_.objects.at(object).exhibits.front();
  current_.reset();
  due_.objects.erase(object);
  if (++incidents_ == incidents_max) due_.objects.clear();
  IMPOUND_CHECK(session_.recorder().record(EntryDraft{"incident.raised",
                                                      {{"what", "an object is not what was sealed"},
                                                       {"where", evidence::object_path(object)},
                                                       {"detail", detail.substr(0, 500)}},
                                                      {},
                                                      exhibit,
                                                      {},
                                                      {},
                                                      {}}));
  return ok();
}

}  // namespace impound::agent
