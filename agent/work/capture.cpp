#include "agent/work/capture.h"

#include "agent/work/capture_records.h"
#include "agent/work/capture_result.h"

namespace impound::agent {

using fetchers::Exchange;

fetchers::HttpRequest capture_request(Settings const& settings, fetchers::Url const& url,
                                      std::optional<fetchers::Exemption> const& exempt) {
  return {.url = url,
          .exempt = exempt,
          .certificates = true,
          .trust = settings.record_untrusted_tls ? fetchers::Trust::record : fetchers::Trust::verify,
          .http2 = settings.http2};
}

Captures::Captures(Session& session, Settings const& settings, RoutedClients& clients, std::function<bool()> cancelled,
                   fetchers::HostManners* manners)
    : session_(session), settings_(settings), clients_(clients), cancelled_(std::move(cancelled)), manners_(manners) {}

Result<Captured> Captures::capture(CaptureOrder const& order, std::function<bool(Captured&)> const& judge) {
  IMPOUND_TRY(attempt, session_.recorder().record(attempt_draft(order, clients_.routes().at(order.route))));

  fetchers::HttpLimits limits;
  limits.bytes_max = settings_.capture_bytes_max;
  limits.timeout = settings_.capture_timeout;
  limits.cancelled = cancelled_;
  std::vector<Exchange> const hops =
      clients_.by(order.route).follow(capture_request(settings_, order.url, order.exempt), limits);
  for (Exchange const& hop : hops)
    if (auto const url = fetchers::Url::parse(hop.url); manners_ != nullptr && url)
      manners_->ended(url.value().host(), hop);
  Captured captured = judged(hops);
  bool const kept = judge(captured) && last_answer(hops) != nullptr;

  std::vector<Sha256> const digests = body_digests(hops);
  Json body = result_body(order, hops, digests, captured, kept);
  if (kept) {
    IMPOUND_TRY(records, keep(hops, digests, attempt, body));
    body["records"] = std::move(records);
  }
  IMPOUND_TRY(result, session_.recorder().record(result_draft(order, attempt, std::move(body))));
  if (kept) {
    IMPOUND_TRY(warc, session_.warc());
    warc->all_named();
  }
  captured.result = result;
  return captured;
}

Result<Json> Captures::keep(std::vector<Exchange> const& hops, std::vector<Sha256> const& digests,
                            EntryId const& attempt, Json const& result) {
  IMPOUND_TRY(packed, pack_capture(hops, digests, attempt, told_in_warc(result), session_.randomness()));
  IMPOUND_TRY(written, session_.append_to_warc(packed));
  IMPOUND_TRY(warc, session_.warc());
  IMPOUND_CHECK(warc->sync());
  return records_json(written);
}

}  // namespace impound::agent
