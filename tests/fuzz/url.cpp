// corpus: urls
// Url: what is taken is printable ASCII, and its text is taken again as the same URL. Chunked coding and response heads
// ride along.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/http/chunked.h"
#include "fetchers/http/response_head.h"
#include "fetchers/url.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  static Url const base = Url::parse("http://base.example/a/b?c").value();
  for (auto const& url : {Url::parse(text), base.resolve(text)}) {
    if (!url) continue;
    auto const again = Url::parse(url.value().text());
    impound::must(again && again.value().text() == url.value().text() && again.value().host() == url.value().host());
    impound::must(again.value().host_kind() == url.value().host_kind() && again.value().port() == url.value().port());
    if (url.value().is_literal()) impound::must(IpAddress::parse(url.value().host()).has_value());
  }
  AddressPolicy policy;
  static_cast<void>(policy.allow(text));
  impound::must(dechunk(text).body.size() <= size);
  static_cast<void>(read_response_head(text));
  return 0;
}
