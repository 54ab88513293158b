#include "fetchers/http/client.h"

#include "fetchers/http/asked.h"
#include "fetchers/http/hops.h"

namespace impound::fetchers {

struct HttpClient::Kept {
  static constexpr long connections_max = 4;
  Handle handle{};  // made with the first request
};

HttpClient::HttpClient(Clock& clock, AddressPolicy const& policy, std::string user_agent, std::optional<Proxy> proxy,
                       Connections connections)
    : clock_(clock),
      policy_(policy),
      user_agent_(sendable_agent(std::move(user_agent))),
      proxy_(std::move(proxy)),
      kept_(connections == Connections::kept ? std::make_unique<Kept>() : nullptr) {}

HttpClient::~HttpClient() = default;

Exchange HttpClient::get(HttpRequest const& request, HttpLimits const& limits) { return ask(request, {}, limits); }

Exchange HttpClient::post(HttpRequest const& request, std::string_view body, HttpLimits const& limits) {
  return ask(request, body, limits);
}

Exchange HttpClient::ask(HttpRequest const& request, std::optional<std::string_view> posted, HttpLimits const& limits) {
  Asking const asking{clock_, policy_, user_agent_, proxy_};
  Asked asked{asking, request, limits, posted, kept_ != nullptr, kept_ == nullptr};
  Handle const own(kept_ ? nullptr : curl_easy_init());
  if (kept_ && !kept_->handle) kept_->handle.reset(curl_easy_init());
  CURL* const handle = kept_ ? kept_->handle.get() : own.get();
  if (!asked.begin(handle)) return std::move(asked.exchange());
  if (kept_) curl_easy_setopt(handle, CURLOPT_MAXCONNECTS, Kept::connections_max);
  asked.end(curl_easy_perform(handle));
  return std::move(asked.exchange());
}

std::vector<Exchange> HttpClient::follow(HttpRequest const& request, HttpLimits const& limits, std::size_t hops_max) {
  std::vector<Exchange> chain;
  for (std::optional<HttpRequest> next = request; next; next = next_hop(chain, request, *next, clock_, hops_max))
    chain.push_back(get(*next, limits));
  return chain;
}

}  // namespace impound::fetchers
