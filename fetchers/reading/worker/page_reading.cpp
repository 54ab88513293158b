#include "fetchers/reading/worker/page_reading.h"

#include <algorithm>
#include <set>
#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/reading/worker/charset.h"
#include "fetchers/reading/worker/content_decoding.h"
#include "fetchers/reading/worker/html_text.h"
#include "fetchers/reading/worker/json_list.h"
#include "fetchers/reading/worker/markup_list.h"
#include "fetchers/reading/worker/media_type.h"
#include "fetchers/references/scan_in_parts.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t first_bytes = 64u << 10;   // decide what it is
constexpr std::size_t answer_bytes = 64u << 10;  // a site's sentence is shorter
constexpr std::size_t look_bytes = 1'024;        // where a page says that it is HTML

bool holds_ci(std::string_view text, std::string_view wanted) {
  auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::search(text.begin(), text.end(), wanted.begin(), wanted.end(),
                     [&](char a, char b) { return lower(a) == b; }) != text.end();
}

bool is_html(std::string_view content_type, std::string_view media_type, std::string_view first) {
  if (holds_ci(content_type, "html") || media_type == "text/html" || media_type == "application/xhtml+xml") return true;
  auto const look = first.substr(0, look_bytes);
  return holds_ci(look, "<!doctype html") || holds_ci(look, "<html") || holds_ci(look, "<body");
}

Refused reason(DecodingFault fault) {
  switch (fault) {
    case DecodingFault::too_large: return Refused::too_large;
    case DecodingFault::ratio: return Refused::bomb;
    case DecodingFault::time: return Refused::time;
    default: return Refused::coding;
  }
}

}  // namespace

struct PageReading::State {
  State(ReadPage const& wanted_page, Tell tell_found)
      : wanted(wanted_page),
        tell(std::move(tell_found)),
        decoder(wanted.order.content_coding, decoding_limits(wanted.limits), [this](auto part) { return take(part); }),
        body_scan(scan_limits(wanted.limits), [this](Reference one) { found(std::move(one), Layer::body); }),
        text_scan(scan_limits(wanted.limits), [this](Reference one) { found(std::move(one), Layer::text); }),
        html_scan(scan_limits(wanted.limits), [this](Reference one) { found(std::move(one), Layer::html); }) {
    if (wanted.order.profile.empty()) return;
    auto read = read_site_profile(wanted.order.profile, "profile");
    if (read)
      profile = std::move(read).value();
    else
      refuse(Refused::list, line(read.error()));
  }

  static DecodingLimits decoding_limits(ReaderLimits const& limits) {
    DecodingLimits out;
    out.bytes_max = limits.decoded_bytes_max;
    out.end = std::chrono::steady_clock::now() + limits.time_max;
    return out;
  }

  static ScanLimits scan_limits(ReaderLimits const& limits) {
    ScanLimits out;
    out.references_max = limits.references_max + 1;  // one too many shows that there are more
    return out;
  }

  void refuse(Refused why, std::string detail) {
    for (Refusal const& one : facts.refusals)
      if (one.why == why) return;
    detail.resize(std::min(detail.size(), refusal_bytes_max));
    if (facts.refusals.size() < refusals_max) facts.refusals.push_back({why, std::move(detail)});
  }

  /// The next part of the body, content coding undone.
  Result<void> take(std::string_view part) {
    if (wanted.order.references) body_scan.write(part);
    if (decided) return take_text(part);
    std::size_t const more = std::min(part.size(), first_bytes - first.size());
    first.append(part.substr(0, more));
    if (first.size() < first_bytes) return ok();
    IMPOUND_CHECK(decide());
    return take_text(part.substr(more));
  }

  /// What it is shows in its first bytes.
  Result<void> decide() {
    decided = true;
    facts.media_type = media_type_of(first);
    bool const html = is_html(wanted.order.content_type, facts.media_type, first);
    auto const chosen = choose_charset(first, wanted.order.content_type, html);
    bool const wide = !holds_ascii(chosen.name);
    bool const text = may_be_text(facts.media_type) &&
                      (wide || facts.media_type != "application/octet-stream" || first.find('\0') == first.npos);
    if (!text && !html && !wanted.order.list) return ok();
    facts.charset = chosen.name;
    facts.charset_from = chosen.from;
    scans_text = wide;
    utf8 = std::make_unique<ToUtf8>(chosen.name, [this](std::string_view part) { return take_utf8(part); });
    if (html && wanted.order.references) {
      markup = std::make_unique<HtmlText>(HtmlLimits{}, [this](std::string_view part) -> Result<void> {
        html_scan.write(part);
        return ok();
      });
    }
    return take_text(std::exchange(first, {}));
  }

  Result<void> take_text(std::string_view part) {
    if (!utf8 || part.empty()) return ok();
    return utf8->write(part);
  }

  Result<void> take_utf8(std::string_view part) {
    digest.add(bytes_of(part));
    if (profile && beginning.size() <= answer_bytes) beginning.append(part.substr(0, answer_bytes));
    if (wanted.order.list && list_text.size() <= ListLimits{}.bytes_max) list_text.append(part);
    if (scans_text && wanted.order.references) text_scan.write(part);
    if (markup) {
      if (auto parsed = markup->write(part); !parsed) refuse_markup(parsed.error());
    }
    return ok();
  }

  void refuse_markup(Error const& why) {
    refuse(Refused::markup, why.what);
    static_cast<void>(markup->finish());
    facts.base = markup->base();
    markup.reset();
  }

  void found(Reference one, Layer layer) {
    std::string key = std::string(word(one.kind)) + " " + one.canonical;
    if (layer != Layer::body && known.contains(key)) return;
    if (told >= wanted.limits.references_max)
      return refuse(Refused::references, "it holds more than " + std::to_string(told) + " references");
    ++told;
    known.insert(std::move(key));
    tell({std::move(one), layer});
  }

  void read_list() {
    if (!wanted.order.list || !profile) return;
    bool const json = profile->list.format == ListFormat::json;
    auto read =
        json ? read_json_list(list_text, *profile, ListLimits{}) : read_markup_list(list_text, *profile, ListLimits{});
    if (!read) return refuse(Refused::list, line(read.error()));
    facts.unreadable = read.value().unreadable;
    facts.unreadable_why = read.value().unreadable_why.substr(0, refusal_bytes_max);
    facts.list = std::move(read).value().items;
  }

  ReadPage wanted;
  Tell tell;
  PageFacts facts;
  std::optional<SiteProfile> profile;
  ContentDecoder decoder;
  bool plain = false;  // its coding is not what it was called: read as it stands
  bool over = false;
  std::uint64_t taken = 0;
  std::string first;
  bool decided = false;
  std::unique_ptr<ToUtf8> utf8;
  bool scans_text = false;
  Sha256Stream digest;
  std::string beginning;
  std::string list_text;
  std::unique_ptr<HtmlText> markup;
  ScanInParts body_scan, text_scan, html_scan;
  std::uint64_t told = 0;
  std::set<std::string, std::less<>> known;  // kind and canonical form of what was told
};

PageReading::PageReading(ReadPage const& wanted, Tell tell)
    : state_(std::make_unique<State>(wanted, std::move(tell))) {}
PageReading::~PageReading() = default;

bool PageReading::write(std::string_view bytes) {
  State& state = *state_;
  if (state.over || bytes.empty()) return !state.over;
  bool const begins = std::exchange(state.taken, state.taken + bytes.size()) == 0;
  if (!state.plain) {
    auto const done = state.decoder.write(bytes);
    if (done) return true;
    state.refuse(reason(state.decoder.fault()), done.error().what);
    bool const mislabelled =
        state.decoder.fault() == DecodingFault::unknown_coding || state.decoder.fault() == DecodingFault::broken;
    state.plain = begins && mislabelled && state.decoder.bytes() == 0;
    state.over = !state.plain;
    if (state.over) return false;
  }
  if (state.taken > state.wanted.limits.decoded_bytes_max) {
    state.taken -= bytes.size();
    state.refuse(Refused::too_large, "it has too many bytes");
    state.over = true;
  } else if (!state.take(bytes)) {
    state.over = true;
  }
  return !state.over;
}

PageFacts PageReading::finish() {
  State& state = *state_;
  if (!state.plain && !state.over)
    if (auto const ended = state.decoder.finish(); !ended)
      state.refuse(reason(state.decoder.fault()), ended.error().what);
  if (!state.decided) static_cast<void>(state.decide());
  if (state.utf8) {
    static_cast<void>(state.utf8->finish());
    state.facts.replaced = state.utf8->replaced();
    state.facts.text_sha256 = state.digest.finish();
  }
  if (state.markup) {
    if (auto const ended = state.markup->finish(); !ended) state.refuse(Refused::markup, ended.error().what);
    state.facts.base = state.markup->base();
  }
  state.body_scan.finish();
  state.text_scan.finish();
  state.html_scan.finish();
  if (state.profile && state.beginning.size() <= answer_bytes)
    state.facts.answer = state.profile->judge(state.beginning);
  state.read_list();
  state.facts.decoded_bytes = state.plain ? state.taken : state.decoder.bytes();
  return std::move(state.facts);
}

}  // namespace impound::fetchers
