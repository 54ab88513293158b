#include "fetchers/reading/reader.h"

#include <algorithm>
#include <set>
#include <utility>

#include "evidence/system/sealed_memory.h"
#include "fetchers/references/magnet.h"
#include "fetchers/url.h"

namespace impound::fetchers {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t queue_bytes_max = 4u << 20;
constexpr std::int64_t last_second = 253'402'300'799;  // 9999-12-31T23:59:59Z

Error untrue(std::string what) {
  return Error{Code::malformed, "the reader said what cannot be: " + std::move(what), {}, {}};
}

/// A reference that names what it says it names; its text is put right where it is another torrent's.
Result<void> check(FoundReference& found, ReaderLimits const& limits) {
  Reference& one = found.reference;
  if (one.offset > 4 * limits.decoded_bytes_max) return untrue("a reference beyond the page");
  switch (one.kind) {
    case ReferenceKind::magnet:
    case ReferenceKind::info_hash: {
      auto const named = parse_magnet(one.canonical, MagnetLimits{});
      if (!named || named.value().hashes != one.hashes || named.value().canonical != one.canonical)
        return untrue("a magnet that names another torrent");
      auto const written = parse_magnet(one.text, MagnetLimits{});
      if (one.kind == ReferenceKind::magnet && written && !same_torrent(written.value().hashes, one.hashes))
        one.text = one.canonical;
      one.url.clear();
      return ok();
    }
    case ReferenceKind::torrent_url:
    case ReferenceKind::archive_item: break;
  }
  if (one.hashes.v1 || one.hashes.v2) return untrue("a URL with an info-hash");
  if (one.url.empty()) return ok();
  auto const url = Url::parse(one.url);
  if (!url || url.value().text() != one.url) return untrue("a URL that is none");
  return ok();
}

}  // namespace

/// What is known of the page that is being read.
struct Reader::Job {
  std::uint64_t id = 0;
  SiteProfile const* profile = nullptr;
  bool list = false;
  PageFacts facts{};
  std::vector<ListedItem> items{};
  std::set<std::string, std::less<>> keys{};
};

Reader::Reader(ReaderSettings settings) : settings_(std::move(settings)) {}
Reader::~Reader() = default;

Result<void> Reader::start() {
  if (worker_) worker_->exchange(std::chrono::milliseconds{0});
  if (worker_ && worker_->closed()) end({});  // it went between two pages, which costs neither of them anything
  if (worker_) return ok();
  if (refused_) return *refused_;
  IMPOUND_TRY(worker, WorkerProcess::start(ChildPlan{settings_.worker_program, {}, -1}, queue_bytes_max));
  worker_ = std::move(worker);
  pages_ = 0;
  auto greeted = greet();
  if (greeted) return ok();
  if (!worker_->closed()) {
    end(greeted.error().what);
    return greeted;
  }
  ended_ = ReaderEnded{worker_->id(), worker_->end({}, false)};
  worker_.reset();
  std::string const& said = ended_->end.error_tail;
  Error why{Code::io, "the reader worker does not start: " + (said.empty() ? text(ended_->end.ending) : said), {}, {}};
  if (ended_->end.refused) refused_ = why;
  return why;
}

Result<void> Reader::greet() {
  auto const until = SteadyClock::now() + settings_.hello_within;
  while (true) {
    IMPOUND_TRY(frame, worker_->next());
    if (frame) {
      IMPOUND_TRY(message, from_reader_from(*frame));
      auto const* hello = std::get_if<ReaderHello>(&message);
      if (hello == nullptr) return untrue("no hello first");
      if (hello->version != reader_protocol_version) return untrue("a protocol version of another build");
      return ok();
    }
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
    if (worker_->closed()) return Error{Code::io, "the reader worker has ended", {}, {}};
    if (left.count() <= 0) return Error{Code::timeout, "it said nothing", {}, {}};
    worker_->exchange(left);
  }
}

void Reader::end(std::string why) {
  if (!worker_) return;
  ended_ = ReaderEnded{worker_->id(), worker_->end(std::move(why), true)};
  worker_.reset();
}

/// Nobody hears of it: it ends because it is told to.
void Reader::replace_worn_out(PageFacts const& facts) {
  bool const starved = std::any_of(facts.refusals.begin(), facts.refusals.end(),
                                   [](Refusal const& one) { return one.why == Refused::memory; });
  if (++pages_ >= settings_.pages_of_a_worker_max || starved) worker_.reset();
}

PageFacts Reader::read(PageOrder order, SiteProfile const* profile, std::string_view body) {
  auto const memory = sealed_memory(body);
  if (memory) return read(std::move(order), profile, memory.value().number(), body.size());
  PageFacts facts;
  facts.refusals.push_back({Refused::reader, line(memory.error())});
  return facts;
}

PageFacts Reader::read(PageOrder order, SiteProfile const* profile, int body, std::uint64_t size) {
  ended_.reset();
  Job job{.id = ++jobs_, .profile = profile, .list = order.list};
  order.profile = profile != nullptr ? profile->toml : std::string{};
  order.content_type.resize(std::min(order.content_type.size(), field_bytes_max));
  order.content_coding.resize(std::min(order.content_coding.size(), field_bytes_max));
  Result<void> done = start();
  if (done) {
    done = ask(job, order, body, size);
    if (!done) end(worker_->closed() ? std::string{} : done.error().what);
  }
  if (!done) {
    std::string detail = done.error().what;
    if (ended_ && ended_->end.why.empty()) detail = "the reader worker ended (" + text(ended_->end.ending) + ")";
    if (ended_ && ended_->end.refused) detail = done.error().what;
    job.facts.refusals.push_back({Refused::reader, detail.substr(0, refusal_bytes_max)});
    job.facts.list.reset();
  } else if (job.facts.list) {
    job.facts.list = std::move(job.items);
  }
  replace_worn_out(job.facts);
  return std::move(job.facts);
}

Result<void> Reader::ask(Job& job, PageOrder const& order, int body, std::uint64_t size) {
  auto const until = SteadyClock::now() + settings_.limits.time_max + settings_.late_after;
  auto const sent = worker_->send(to_frame(ReadPage{job.id, size, order, settings_.limits}), body);
  if (!sent) worker_->exchange(std::chrono::milliseconds{0});  // it may be gone: then that is why
  IMPOUND_CHECK(sent);
  while (true) {
    while (true) {
      IMPOUND_TRY(frame, worker_->next());
      if (!frame) break;
      IMPOUND_TRY(over, take(job, *frame));
      if (over) return ok();
    }
    if (worker_->closed()) return Error{Code::io, "the reader worker has ended", {}, {}};
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
    if (left.count() <= 0)
      return Error{Code::timeout, "reading it took too long, so the reader worker was ended", {}, {}};
    worker_->exchange(left);
  }
}

/// True: the job has ended.
Result<bool> Reader::take(Job& job, Frame const& frame) {
  IMPOUND_TRY(message, from_reader_from(frame));
  if (auto* rows = std::get_if<FoundRows>(&message)) {
    if (rows->job != job.id) return untrue("another page's references");
    if (job.facts.found.size() + rows->rows.size() > settings_.limits.references_max)
      return untrue("more references than the limit");
    for (FoundReference& found : rows->rows) {
      IMPOUND_CHECK(check(found, settings_.limits));
      job.facts.found.push_back(std::move(found));
    }
    return false;
  }
  if (auto* rows = std::get_if<ListedRows>(&message)) {
    if (rows->job != job.id || !job.list || job.profile == nullptr) return untrue("a list that nobody asked for");
    if (job.items.size() + rows->rows.size() > listed_max) return untrue("more items than the limit");
    for (ListedItem& item : rows->rows) {
      if (!job.profile->is_key(item.key) || !job.keys.insert(item.key).second)
        return untrue("an item without a key of its own");
      if (item.published_us && (*item.published_us < 0 || *item.published_us > last_second * 1'000'000))
        return untrue("a time that is none");
      job.items.push_back(std::move(item));
    }
    return false;
  }
  auto* read = std::get_if<PageRead>(&message);
  if (read == nullptr || read->job != job.id) return untrue("another page's facts");
  if (read->facts.list && !job.list) return untrue("a list that nobody asked for");
  if (read->facts.answer != Answer::content && job.profile == nullptr) return untrue("an answer without a profile");
  if (read->facts.decoded_bytes > settings_.limits.decoded_bytes_max) return untrue("more bytes than the limit");
  auto found = std::move(job.facts.found);
  job.facts = std::move(read->facts);
  job.facts.found = std::move(found);
  return true;
}

}  // namespace impound::fetchers
