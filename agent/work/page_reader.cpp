#include "agent/work/page_reader.h"

#include "agent/work/places.h"

namespace impound::agent {

using evidence::EntryDraft;
using fetchers::PageFacts;

namespace {

std::string field(fetchers::Exchange const& answer, std::string_view name) {
  auto const value = answer.header(name);
  return value ? std::string(*value) : std::string();
}

}  // namespace

std::string refusals_text(PageFacts const& facts) {
  std::string text;
  for (fetchers::Refusal const& one : facts.refusals) {
    if (!text.empty()) text += "; ";
    text.append(word(one.why)).append(": ").append(one.detail);
  }
  return text;
}

PageReader::PageReader(Session& session, Terminal& terminal)
    : session_(session), terminal_(terminal), reader_({own_folder() + "/impound-reader-worker"}) {}

Result<PageFacts> PageReader::list(WatchedSource const& source, fetchers::Exchange const& answer) {
  fetchers::PageOrder order{.content_type = field(answer, "content-type"),
                            .content_coding = field(answer, "content-encoding"),
                            .list = true,
                            .references = false};
  PageFacts facts = reader_.read(std::move(order), &source.profile, answer.body);
  IMPOUND_CHECK(tell_ended());
  return facts;
}

Result<PageFacts> PageReader::item(WatchedSource const& source, Captured const& captured) {
  return read(captured, &source.profile);
}

Result<PageFacts> PageReader::read(Captured const& captured, fetchers::SiteProfile const* profile) {
  PageFacts facts = reader_.read({.content_type = captured.media_type, .content_coding = captured.content_coding},
                                 profile, captured.body);
  IMPOUND_CHECK(tell_ended());
  return facts;
}

Result<void> PageReader::tell_ended() {
  auto const ended = reader_.take_ended();
  if (!ended) return ok();
  std::string const status = ended->end.why.empty() ? text(ended->end.ending) : ended->end.why;
  Json body{{"worker", "reader"}, {"pid", ended->worker}, {"status", shown(status, 500)}};
  if (!ended->end.error_tail.empty()) body["error_tail"] = shown(ended->end.error_tail, 500);
  IMPOUND_CHECK(session_.recorder().record(EntryDraft{"worker.ended", std::move(body), {}, {}, {}, {}, {}}));
  terminal_.say("worker      the reader worker ended (" + shown(status, 200) + ")");
  return ok();
}

Result<void> PageReader::tell_refused(std::optional<CaseName> const& case_name, Captured const& captured,
                                      PageFacts const& facts) {
  if (facts.whole()) return ok();
  std::string const why = refusals_text(facts);
  terminal_.say("refused     " + shown(captured.final_url, 500) + ": " + shown(why, 500));
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"input.refused",
                 {{"what", "page"}, {"where", shown(captured.final_url, 500)}, {"detail", shown(why, 500)}},
                 case_name,
                 captured.result,
                 {},
                 {},
                 {}}));
  return ok();
}

}  // namespace impound::agent
