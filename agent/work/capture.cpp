#include "agent/work/capture.h"

#include "agent/service/terminal.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::EntryDraft;
using evidence::WarcRecord;
using fetchers::Exchange;

namespace {

/// The two records of one hop; none when no answer came, for then the entry alone tells what happened.
void add_records(Exchange const& hop, Randomness& randomness, std::vector<WarcRecord>& records) {
  if (hop.response_head.empty()) return;
  WarcRecord response{"response", evidence::make_record_id(randomness),  hop.url, hop.started_us,
                      {},         hop.response_head + hop.response_body, {}};
  if (!hop.chunked) response.payload_offset = hop.response_head.size();
  WarcRecord request{"request", evidence::make_record_id(randomness), hop.url, hop.started_us, {}, hop.request, {}};
  response.headers.emplace_back("Content-Type", "application/http; msgtype=response");
  request.headers.emplace_back("Content-Type", "application/http; msgtype=request");
  request.headers.emplace_back("WARC-Concurrent-To", "<" + response.record_id + ">");
  for (WarcRecord* one : {&request, &response}) {
    if (!hop.remote_ip.empty()) one->headers.emplace_back("WARC-IP-Address", hop.remote_ip);
    one->headers.emplace_back("WARC-Protocol", hop.http_version == "1.0" ? "http/1.0" : "http/1.1");
    if (hop.tls_protocol.starts_with("TLSv"))
      one->headers.emplace_back("WARC-Protocol", "tls/" + hop.tls_protocol.substr(4));
  }
  if (!hop.truncated.empty()) response.headers.emplace_back("WARC-Truncated", hop.truncated);
  records.push_back(std::move(request));
  records.push_back(std::move(response));
}

/// The last hop that was answered: a redirect to where we may not go is kept as far as it went.
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

Json attempt_body(CaptureOrder const& order, Route const& route) {
  Json body{{"url", order.url.text()}, {"route", route.name}};
  if (!order.source.empty()) body["source"] = order.source;
  if (!order.key.empty()) body["key"] = order.key;
  return body;
}

Json result_body(CaptureOrder const& order, std::vector<Exchange> const& hops, Captured const& captured, bool kept) {
  Json body{{"outcome", captured.usable ? "captured" : "failed"}, {"url", order.url.text()}, {"kept", kept}};
  if (captured.status != 0) body["status"] = captured.status;
  if (!captured.problem.empty()) body["error"] = shown(captured.problem, 500);
  if (!order.title.empty()) body["title"] = shown(order.title, 500);
  if (!order.author.empty()) body["author"] = shown(order.author, 200);
  if (order.published_us) body["published_utc"] = utc_text(*order.published_us);
  if (captured.references > 0) body["references"] = captured.references;
  Exchange const* const answer = last_answer(hops);
  if (answer == nullptr) return body;
  Exchange const& last = *answer;
  body["body_sha256"] = hex(sha256(bytes_of(last.body)));
  body["body_bytes"] = last.body.size();
  if (auto const type = last.header("content-type"); type && !type->empty()) body["media_type"] = shown(*type, 200);
  if (!last.remote_ip.empty()) body["remote_ip"] = last.remote_ip;
  if (last.remote_port != 0) body["remote_port"] = last.remote_port;
  if (last.resolved_by_proxy) body["resolved_by"] = "proxy";
  if (!last.truncated.empty()) body["truncated"] = last.truncated;
  return body;
}

}  // namespace

Captures::Captures(Session& session, Settings const& settings, RoutedClients& clients, std::function<bool()> cancelled)
    : session_(session), settings_(settings), clients_(clients), cancelled_(std::move(cancelled)) {}

Result<Captured> Captures::capture(CaptureOrder const& order, std::function<bool(Captured&)> const& judge) {
  IMPOUND_TRY(attempt, session_.recorder().record(EntryDraft{"capture.attempt",
                                                             attempt_body(order, clients_.routes().at(order.route)),
                                                             order.case_name,
                                                             order.cause,
                                                             {},
                                                             order.by,
                                                             {}}));

  fetchers::HttpLimits limits;
  limits.bytes_max = settings_.capture_bytes_max;
  limits.timeout = settings_.capture_timeout;
  limits.cancelled = cancelled_;
  std::vector<Exchange> const hops = clients_.by(order.route).follow({order.url, {}, order.exempt}, limits);
  Captured captured = judged(hops);
  bool const kept = judge(captured) && last_answer(hops) != nullptr;

  Json body = result_body(order, hops, captured, kept);
  if (kept) {
    IMPOUND_TRY(records, keep(hops));
    body["records"] = std::move(records);
  }
  IMPOUND_TRY(result, session_.recorder().record(EntryDraft{
                          "capture.result", std::move(body), order.case_name, order.cause, attempt, {}, {}}));
  captured.result = result;
  return captured;
}

Result<Json> Captures::keep(std::vector<Exchange> const& hops) {
  std::vector<WarcRecord> records;
  for (Exchange const& hop : hops) add_records(hop, session_.randomness(), records);
  IMPOUND_TRY(warc, session_.warc());
  auto done = warc->write(records);
  if (!done && done.error().code == Code::no_space) {
    session_.disk_full("keeping a capture");
    done = warc->write(records);
  }
  IMPOUND_TRY(written, std::move(done));
  Json list = Json::array();
  for (evidence::WrittenRecord const& record : written) list.push_back(evidence::to_json(record));
  return list;
}

}  // namespace impound::agent
