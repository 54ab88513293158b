#include "agent/work/capture_result.h"

#include <string>
#include <utility>

#include "agent/service/terminal.h"
#include "agent/work/capture_records.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::EntryDraft;
using fetchers::Exchange;

Exchange const* last_answer(std::vector<Exchange> const& hops) {
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop)
    if (!hop->response_head.empty()) return &*hop;
  return nullptr;
}

Captured judged(std::vector<Exchange> const& hops) {
  Captured captured;
  if (hops.empty()) {
    captured.problem = "nothing was asked";
    return captured;
  }
  Exchange const& last = hops.back();
  captured.status = last.status;
  captured.body = last.body;
  captured.final_url = last.url;
  if (auto const type = last.header("content-type"); type && !type->empty()) captured.media_type = shown(*type, 200);
  if (auto const coding = last.header("content-encoding")) captured.content_coding = *coding;
  if (last.failed)
    captured.problem = line(*last.failed);
  else if (last.redirect())
    captured.problem = "too many redirects, or one that leads nowhere";
  else if (last.status != 200)
    captured.problem = "status " + std::to_string(last.status);
  else if (!last.truncated.empty())
    captured.problem = "the body was cut (" + last.truncated + ")";
  else
    captured.usable = true;
  return captured;
}

EntryDraft attempt_draft(CaptureOrder const& order, Route const& route) {
  Json body{{"url", order.url.text()}, {"route", route.name}};
  if (!order.source.empty()) body["source"] = order.source;
  if (!order.key.empty()) body["key"] = order.key;
  return {"capture.attempt", std::move(body), order.case_name, order.cause, {}, order.by, {}};
}

std::vector<Sha256> body_digests(std::vector<Exchange> const& hops) {
  std::vector<Sha256> digests;
  digests.reserve(hops.size());
  for (Exchange const& hop : hops) digests.push_back(sha256(bytes_of(hop.body)));
  return digests;
}

Json result_body(CaptureOrder const& order, std::vector<Exchange> const& hops, std::vector<Sha256> const& digests,
                 Captured const& captured, bool kept) {
  Json body{{"outcome", captured.usable ? "captured" : "failed"}, {"url", order.url.text()}, {"kept", kept}};
  if (captured.status != 0) body["status"] = captured.status;
  if (!captured.problem.empty()) body["error"] = shown(captured.problem, 500);
  if (!order.title.empty()) body["title"] = shown(order.title, 500);
  if (!order.author.empty()) body["author"] = shown(order.author, 200);
  if (order.published_us) body["published_utc"] = utc_text(*order.published_us);
  if (!captured.detected_type.empty()) body["detected_type"] = shown(captured.detected_type, 100);
  if (!captured.charset.empty()) body["charset"] = shown(captured.charset, 100);
  if (captured.references > 0) body["references"] = captured.references;
  Exchange const* const answer = last_answer(hops);
  if (answer == nullptr) return body;
  Exchange const& last = *answer;
  body["body_sha256"] = hex(digests.at(static_cast<std::size_t>(answer - hops.data())));
  body["body_bytes"] = last.body.size();
  if (auto const type = last.header("content-type"); type && !type->empty()) body["media_type"] = shown(*type, 200);
  if (!last.remote_ip.empty()) body["remote_ip"] = last.remote_ip;
  if (last.remote_port != 0) body["remote_port"] = last.remote_port;
  if (last.resolved_by_proxy) body["resolved_by"] = "proxy";
  if (!last.truncated.empty()) body["truncated"] = last.truncated;
  add_connection(body, last);
  return body;
}

Json told_in_warc(Json body) {
  for (char const* key : {"title", "author", "published_utc"}) body.erase(key);
  return body;
}

EntryDraft result_draft(CaptureOrder const& order, EntryId const& attempt, Json body) {
  return {"capture.result", std::move(body), order.case_name, order.cause, attempt, {}, {}};
}

Json records_json(std::vector<evidence::WrittenRecord> const& written) {
  Json list = Json::array();
  for (evidence::WrittenRecord const& record : written) list.push_back(evidence::to_json(record));
  return list;
}

}  // namespace impound::agent
